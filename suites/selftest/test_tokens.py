"""Tokens and case files: what is written is read back equal, and whatever is malformed is one clear line."""

import json
import zlib
from base64 import urlsafe_b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay64.harness.cases import files, schema
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    DATA_REGION,
    DEFAULT_REGIONS,
    Alias,
    Case,
    ClearBreakpoint,
    Environment,
    FreeRun,
    Map,
    Observe,
    Region,
    Run,
    Schedule,
    SetWatchpoint,
    Step,
    WriteMemory,
)
from assay64.harness.cases.outcome import Exit, ExitKind, MemoryChange, Outcome, Permitted, Unknown
from assay64.harness.cases.state import PAC_KEYS, PSTATE_FIELDS, General, Simd, State, System, locate
from assay64.harness.cases.tokens import MAX_CASE_BYTES, from_token, to_token
from assay64.harness.errors import UsageError

NAMES = [
    *(f"x{index}" for index in range(31)),
    *(f"v{index}" for index in range(32)),
    *PSTATE_FIELDS,
    *PAC_KEYS,
    "sp",
    "pc",
    "tpidr_el0",
    "tpidrro_el0",
    "event_register",
]


def values(name):
    mask = locate(name)[3]
    return st.one_of(st.integers(0, mask), st.sampled_from([0, 1, mask, mask >> 1, mask - 1 if mask > 1 else 0]))


@st.composite
def states(draw):
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    blocks = State.of(**{name: draw(values(name)) for name in names}).blocks
    # Files may list a register that has its default, and blocks that are empty; these are states of their own.
    extra = [General(x={3: 0}), Simd(v={1: 0}), System(mode=0)]
    present = {type(block) for block in blocks}
    return State(
        blocks=(*blocks, *(b for b in draw(st.lists(st.sampled_from(extra), max_size=1)) if type(b) not in present))
    )


words = st.integers(0, (1 << 32) - 1)
hexadecimal = st.binary(max_size=12).map(bytes.hex)
spans = st.tuples(st.integers(0, 0xFFF0), hexadecimal)
regions = st.one_of(
    st.just(DEFAULT_REGIONS),
    st.builds(
        lambda code, data, fill, extra: (
            Region(address=DEFAULT_REGIONS[0].address, size=DEFAULT_REGIONS[0].size, permissions="rx", contents=code),
            Region(address=DATA_REGION[0], size=DATA_REGION[1], contents=data, fill=fill),
            *extra,
        ),
        st.lists(spans, max_size=2).map(tuple),
        st.lists(spans, max_size=2).map(tuple),
        st.none() | st.integers(0, 1 << 40),
        st.lists(st.just(Region(address=1 << 40, size=0x10000, backing="b", guarded=True)), max_size=1).map(tuple),
    ),
)
addresses = st.integers(0, (1 << 64) - 1)
actions = st.one_of(
    st.builds(Run, budget=st.integers(1, 1 << 50), until=st.none() | addresses),
    st.just(Step()),
    st.builds(WriteMemory, address=addresses, bytes=hexadecimal),
    st.builds(Alias, address=addresses, size=st.just(0x1000), at=addresses),
    st.builds(ClearBreakpoint, address=addresses),
    st.builds(SetWatchpoint, address=addresses),
    st.just(Schedule(turns=((0, 3), (0, 1)))),
    st.just(FreeRun(vcpus=(0,))),
    st.just(Map(region=Region(address=1 << 41, size=0x1000))),
)
permitted = st.builds(
    lambda state, mask: (
        Permitted(
            outcome=Outcome(
                exits=(Exit(kind=ExitKind.SVC, immediate=mask & 0xFFFF),),
                states=(state,),
                memory=(MemoryChange(mask, "00ff"),),
            ),
            unknown=Unknown(
                registers=({"x1": mask},), memory=((mask, 8),), exit_fields=(frozenset({"fault", "address"}),)
            ),
            choices=("WBOVERLAPLD=NOP",),
        ),
    ),
    states(),
    addresses,
)
cases = st.builds(
    Case,
    name=st.text(max_size=8),
    code=st.lists(words, max_size=3).map(tuple),
    code_address=st.sampled_from([CODE_ADDRESS, CODE_ADDRESS + 0x100, DATA_REGION[0]]),
    states=st.lists(states(), min_size=1, max_size=2).map(tuple),
    regions=regions,
    environment=st.sampled_from([Environment(), Environment(exception_level=1, dc_zva_size=4, model="apple-m1")]),
    actions=st.just((Run(),)) | st.lists(actions, max_size=3).map(tuple),
    observe=st.sampled_from([Observe(), Observe(ignore=("x1", "memory"))]),
    requires=st.sampled_from([(), ("FEAT_LSE",), ("FEAT_LSE", "FEAT_DotProd"), ("",), ("a,b",)]),
    permitted=st.none() | permitted,
)


@given(cases)
@example(Case(code=(0,)))
@example(Case())
def test_token_gives_the_case_back(case):
    assert from_token(to_token(case)) == case


@given(cases)
def test_file_gives_the_case_back(case):
    assert files.load_case(files.dump_case(case), "text") == case


@given(
    st.text(max_size=60)
    | st.from_regex(r"([0-9a-f]{8}\.?)+(@[0-9a-f]+)?:([a-z0-9.]+=-?[0-9a-fxX_]*,?)*", fullmatch=True)
)
def test_any_text_is_a_case_or_a_usage_error(text):
    complaint = None
    try:
        case = from_token(text)
        assert from_token(to_token(case)) == case
    except UsageError as error:
        complaint = str(error)
    assert complaint is None or ("\n" not in complaint and len(complaint) < 500)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["code", "states", "blocks", "type", "x", "regions", "actions", "action", "1"]),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_any_json_is_a_case_or_a_usage_error(raw):
    complaint = None
    try:
        assert isinstance(files.load_case(json.dumps(raw), "f.json"), Case)
    except UsageError as error:
        complaint = str(error)
    assert complaint is None or (complaint.startswith("f.json") and "\n" not in complaint)


@pytest.mark.parametrize(
    ("address", "region"),
    [
        (8, Region(address=0, size=0x1_0000, permissions="rx")),
        (0xFFFF_FFFF_0100, Region(address=0xFFFF_FFFF_0000, size=0x1_0000, permissions="rx")),
        (1 << 41, Region(address=1 << 41, size=0x2_0000, permissions="rwx", fill=3)),
    ],
)
def test_code_outside_the_default_regions(address, region):
    case = Case(code=(1,), code_address=address, regions=(*DEFAULT_REGIONS, region))
    assert from_token(to_token(case)) == case
    assert to_token(case).startswith("case:") == (region.fill is not None)


def test_readable_form():
    case = Case(code=(0xAB020020,), states=(State.of(x1=-1, x2=1, v0=1 << 100, nzcv=6),))
    assert to_token(case) == "ab020020:x1=-1,x2=1,nzcv=ZC,v0=0x10000000000000000000000000"
    assert from_token("ab020020:x1=-1,x2=1") == Case(code=(0xAB020020,), states=(State.of(x1=(1 << 64) - 1, x2=1),))
    other = Case(code=(0xD503_201F,), environment=Environment(model="cortex-a57+FEAT_LSE"))
    assert to_token(other) == "d503201f:model=cortex-a57+FEAT_LSE"
    assert from_token(to_token(other)) == other
    assert from_token("ab020020.d4000001@10000100:until=0x10000104").code_address == 0x10000100


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        ("", "no replay token"),
        ("adds x0, x1, x2", "no replay token"),
        ("ab02002:x1=1", "no replay token"),
        ("ab020020@:x1=1", "no replay token"),
        ("ab020020:x1", "not NAME=VALUE"),
        ("ab020020:x1=", "no number"),
        ("ab020020:x1=1e5", "no number"),
        ("ab020020:x1=1,x1=2", "x1 is given twice"),
        ("ab020020:w1=1", "no register is called 'w1'"),
        ("ab020020:x31=1", "no register is called 'x31'"),
        ("ab020020:x1=0x10000000000000000", "does not fit"),
        ("ab020020:nzcv=ZX", "no number"),
        ("ab020020:budget=0", "at least one instruction"),
        ("ab020020:mem.0=00", "outside the default code and data regions"),
        ("ab020020:mem.20000000=0", "not a row of hexadecimal bytes"),
        ("ab020020:mem.2000ffff=0000", "outside"),
        ("ab020020@2:x1=1", "multiple of 4"),
        ("ab020020:model=m2", "no CPU model is called 'm2': there are apple-m1"),
        ("ab020020:model=max+FEAT_LES", "no feature is called 'FEAT_LES'; did you mean FEAT_LSE?"),
        ("ab020020.ab020020@2000fffc:", "lies in no region"),
        ("case:", "cut off"),
        ("case:!!!!", "damaged"),
        ("case:AAAA", "damaged"),
    ],
)
def test_malformed_token_is_named(token, complaint):
    with pytest.raises(UsageError, match=complaint):
        from_token(token)


def test_truncated_token():
    token = to_token(Case(code=(1,), actions=(Step(),)))
    assert token.startswith("case:")
    for length in range(len(token)):
        with pytest.raises(UsageError):
            from_token(token[:length])


def test_compressed_bomb_is_refused_without_unpacking_it():
    bomb = "case:" + urlsafe_b64encode(zlib.compress(b" " * (MAX_CASE_BYTES * 4), 9)).decode().rstrip("=")
    with pytest.raises(UsageError, match="longer than"):
        from_token(bomb)


def test_case_that_wants_too_much_memory_is_refused():
    huge = Case(regions=(Region(address=0, size=1 << 50),))
    with pytest.raises(UsageError, match="bytes of memory"):
        files.load_case(files.dump_case(huge), "f.json")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", r"f\.json:1:2: not JSON"),
        ("3", "a case is a JSON object, not 3"),
        ('{"cod": []}', "unknown field `cod`"),
        ('{"code": ["0x12", "zz"]}', r"at \.code\[1\]: 'zz' is no number"),
        ('{"code": [4294967296]}', "code words have 32 bits"),
        ('{"code": "adsd x0, x1"}', "adsd"),
        ('{"states": [{"blocks": [{"type": "general", "x": {"31": 1}}]}]}', r"at \.states\[0\].*no x31"),
        ('{"states": [{"blocks": [{"type": "general", "x": {"1": "0x1ffffffffffffffff"}}]}]}', "outside the bits"),
        ('{"states": [{"blocks": [{"type": "sve"}]}]}', "Invalid value 'sve'"),
        ('{"actions": [{"action": "fly"}]}', r"at \.actions"),
        ('{"version": 2}', "this assay64 reads version 1"),
        ('{"regions": [{"address": "0x10", "size": 4096}]}', "whole pages"),
        ("[" * 100_000, "nested too deep"),
        ('{"code_address": ' + "9" * 5000 + "}", "number too long"),
    ],
)
def test_malformed_file_is_named(tmp_path, text, complaint):
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint) as caught:
        files.read_cases(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_hold_one_or_several_cases(tmp_path):
    one, other = Case(code=(1,)), Case(code=(2,), states=(State.of(v3=-1), State.of(x1=5)))
    for chosen in ((one,), (one, other)):
        files.write_cases(tmp_path / "c.json", *chosen)
        assert files.read_cases(tmp_path / "c.json") == chosen
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(UsageError, match="empty list"):
        files.read_cases(tmp_path / "c.json")
    with pytest.raises(UsageError, match="No such file"):
        files.read_cases(tmp_path / "missing.json")


def test_numbers_and_assembly_text_are_accepted_in_files():
    text = (
        '{"code": "adds x0, x1, x2", "states": [{"blocks": [{"type": "general", "x": {"1": "0xffff_ffff", "2": 1}}]}]}'
    )
    assert files.load_case(text, "f") == Case(code=(0xAB020020,), states=(State.of(x1=0xFFFF_FFFF, x2=1),))


def test_published_schema_is_current():
    assert schema.PUBLISHED.read_text("utf-8") == schema.published_text(), f"run: {schema.GENERATOR}"


def test_schema_names_every_field_of_a_case():
    definitions = schema.json_schema()["$defs"]
    assert set(definitions["Case"]["properties"]) == set(Case.__struct_fields__)
    assert definitions["General"]["properties"]["sp"]["anyOf"][0] == {"$ref": "#/$defs/Number"}
