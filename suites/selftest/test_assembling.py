"""Assembly text to words and back: the front end, Keystone's faults, the assemblers against each other, the table.

Expected words are written out here or come from an assembler other than the one under test.
"""

from __future__ import annotations

import random

import pytest

from assay64.harness.cases.assembling import ASSEMBLERS, assemble, generate, keystone, table
from assay64.harness.cases.assembling.answers import Rejection, reads_as
from assay64.harness.cases.assembling.canonical import canonical
from assay64.harness.cases.assembling.external import EXTERNALS, External
from assay64.harness.cases.assembling.keystone import Keystone, checked
from assay64.harness.cases.assembling.pc_relative import target_of, with_target
from assay64.harness.cases.disassembling import disassemble
from assay64.harness.errors import UsageError

NOP = 0xD503201F
NAMES = [assembler.name for assembler in ASSEMBLERS]


def needs(name: str) -> None:
    """Skips, and says what is not installed."""
    if not next(a for a in ASSEMBLERS if a.name == name).available():
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def an_assembler() -> None:
    """Skips on a machine that has nothing but the table."""
    if not any(assembler.available() for assembler in ASSEMBLERS if assembler.name != "table"):
        pytest.skip("no assembler is installed beside the table")


def error(text: str, address: int = 0x10000, assembler: str | None = None) -> str:
    """The one line that a user reads."""
    with pytest.raises(UsageError) as caught:
        assemble(text, address, assembler=assembler)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What a text may contain


def test_statements_are_separated_by_newlines_and_semicolons():
    assert assemble("nop; nop\nadds x0, x1, x2 // sets flags\n\n// nothing") == (NOP, NOP, 0xAB020020)


def test_spelling_does_not_matter():
    assert assemble("ADDS  X0 ,X1,\tX2") == assemble("adds x0, x1, x2") == (0xAB020020,)
    assert assemble("svc 0x10") == assemble("svc #16") == (0xD4000201,)


def test_raw_words_are_kept():
    assert assemble("0xd503201f\n.word 0x1234, -1\n.inst 0xffffffff") == (NOP, 0x1234, 0xFFFFFFFF, 0xFFFFFFFF)


def test_inst_is_not_left_to_keystone():
    assert assemble(".inst 0x1234") == (0x1234,)
    assert assemble(".inst 0x1234; nop; .inst 0") == (0x1234, NOP, 0)


def test_labels_count_every_word():
    assert assemble("b end\n.word 1, 2\nnop\nend: nop") == (0x14000004, 1, 2, NOP, NOP)
    assert assemble("again: nop\ncbnz x0, again") == (NOP, 0xB5FFFFE0)


def test_numeric_labels_reach_the_nearest_in_their_direction():
    assert assemble("1: b 1b; b 1f; 1: b 1b") == (0x14000000, 0x14000001, 0x14000000)


@pytest.mark.parametrize(
    "mnemonic",
    ["b", "bl", "b.eq", "beq", "cbz x1,", "cbnz w1,", "tbz x0, #3,", "adr x0,",
     "ldr x0,", "ldr w0,", "ldrsw x0,", "prfm pldl1keep,", "ldr d0,"],
)  # fmt: skip
def test_a_number_as_target_is_an_absolute_address(mnemonic):
    absolute = assemble(f"{mnemonic} #0x10008", 0x10000)
    assert absolute == assemble(f"{mnemonic} 0x10008", 0x10000) == assemble(f"{mnemonic} . + 8", 0x10000)
    assert absolute == assemble(f"{mnemonic} there; nop; there: nop", 0x10000)[:1]
    assert target_of(absolute[0], 0x10000) == 0x10008


def test_adr_with_an_address_which_keystone_gets_wrong():
    word, *_ = assemble("adr x0, #0x1000", 0x10000)
    assert word == 0x10F88000  # 0xf000 bytes backwards
    assert disassemble(word, 0x10000) == "adr x0, #0x1000"


def test_adrp_counts_pages():
    assert assemble("adrp x0, #0x20000", 0x10FFC) == (0x90000080,)
    assert assemble("adrp x0, . + 0x1000", 0x10FFC) == (0xB0000000,)
    assert assemble("adrp x0, l; l: nop", 0x10FFC)[0] == 0xB0000000
    assert "not a multiple of 4096" in error("adrp x0, #0x20010")


def test_targets_wrap_around_the_address_space():
    assert assemble("b #0xfffffffffffffffc", 0) == (0x17FFFFFF,)
    assert assemble("b #0", 0xFFFF_FFFF_FFFF_FFFC) == (0x14000001,)


@pytest.mark.usefixtures("an_assembler")
@pytest.mark.parametrize(
    ("text", "limit", "unit"),
    [("b", 1 << 27, 4), ("cbz x0,", 1 << 20, 4), ("b.ne", 1 << 20, 4), ("tbz x0, #63,", 1 << 15, 4),
     ("adr x0,", 1 << 20, 1), ("adrp x0,", 1 << 32, 4096), ("ldr q0,", 1 << 20, 4)],
)  # fmt: skip
def test_reach_is_exact(text, limit, unit):
    base = 1 << 40
    for target in (base - limit, base + limit - unit):
        assert target_of(assemble(f"{text} #{target:#x}", base)[0], base) == target
    for target in (base - limit - unit, base + limit):
        assert "out of reach" in error(f"{text} #{target:#x}", base)


# What is said about wrong text


@pytest.mark.parametrize(
    ("text", "line", "statement", "reason"),
    [
        ("nop\nadd x0, x1\nnop", 2, "add x0, x1", ""),
        ("nop; nop\n\nfoo x0", 3, "foo x0", ""),
        ("and x0, x1, #5", 1, "and x0, x1, #5", ""),
        ("mov x0, #0x12345", 1, "mov x0, #0x12345", ""),
        ("svc #0x10000", 1, "svc #0x10000", ""),
        ("b nowhere", 1, "b nowhere", "the label nowhere is not defined"),
        ("nop; b 2f", 1, "b 2f", "no label 2"),
        ("a: nop\na: nop", 2, "a: nop", "defined twice"),
        ("b #-8", 1, "b #-8", "write . - 8"),
        ("tbz x0, #3, #8", 1, "tbz x0, #3, #8", ". + 0x8 a distance"),
        ("b . + 2", 1, "b . + 2", "not a multiple of 4"),
        ("ldr x0, =0x1234", 1, "ldr x0, =0x1234", "no literal pool"),
        ("add x0, x0, :lo12:there", 1, "add x0, x0, :lo12:there", "':' is not understood"),
        ("ldr x0, [x1, there]", 1, "ldr x0, [x1, there]", ""),
        ('nop\n.incbin "/etc/passwd"', 2, '.incbin "/etc/passwd"', "directive .incbin is not supported"),
        (".word 0x100000000", 1, ".word 0x100000000", "does not fit"),
        (".word there", 1, ".word there", "not a number"),
        ("0x1234", 1, "0x1234", "8 hexadecimal digits"),
        ("svc #010", 1, "svc #010", "must not begin with 0"),
    ],
)
def test_an_error_names_line_statement_and_reason(text, line, statement, reason):
    message = error(text)
    assert message.startswith(f"line {line}: '{statement}': ")
    assert reason in message
    assert len(message) > len(f"line {line}: '{statement}': ")


def test_other_mistakes():
    assert "no instruction" in error("\n// only a comment\n1:\n")
    assert "multiple of 4" in error("nop", 2)
    assert error("nop; b 1f;\n1:\n;b 2f").startswith("line 3: 'b 2f'")
    assert "there is no assembler masm; there are table, keystone" in error("nop", assembler="masm")


def test_without_any_assembler_the_error_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr("assay64.harness.cases.assembling.ASSEMBLERS", ASSEMBLERS[:1])
    assert assemble("cmp x0, x1;nop;  nop") == (0xEB01001F, NOP, NOP)
    assert "binutils-aarch64-linux-gnu" in error("add x17, x18, x19, lsl #29")


# Keystone's faults


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("nop", None),
        ("nop", []),
        (".inst 0x1234", []),
        ("nop", [0x1F, 0x20, 0x03, 0xD5] * 2),
        ("adr x0, .", [0x00, 0x00, 0x08, 0x10]),
        ("add x0, x1, x2", [0x20, 0x00, 0x03, 0x8B]),  # reads add x0, x1, x3
        ("adds x0, x1, x2", [0x20, 0x00, 0x02, 0x8B]),  # no S
        ("ldr x0, [x1, #8]", [0x20, 0x08, 0x40, 0xF9]),  # reads [x1, #16]
        ("and x0, x1, #0xff", [0x20, 0x1C, 0x40, 0x12]),  # reads and w0
        ("cmp x0, #1", [0x1F, 0x04, 0x00, 0xB1]),  # reads cmn
        ("cset x0, eq", [0xE0, 0x07, 0x9F, 0x9A]),  # reads cset x0, ne
    ],
)
def test_a_faulty_answer_is_caught(template, code):
    answer = checked(template, code)
    assert isinstance(answer, Rejection)
    assert answer.faulty


def test_keystone_answers_none_without_an_error_and_it_is_caught():
    needs("keystone")
    (answer,) = Keystone().words(["sdot v1.2s, v3.8b, v31.4b[2]"])
    assert isinstance(answer, Rejection)
    assert answer.faulty
    assert "no code and no error" in error("sdot v1.2s, v3.8b, v31.4b[2]", assembler="keystone")


def test_a_fault_of_keystones_is_an_error_or_another_assemblers_word(monkeypatch):
    needs("keystone")

    class Faulty:
        def asm(self, string: str, addr: int = 0) -> tuple[list[int], int]:
            return [0x20, 0x00, 0x03, 0x8B], 1

    monkeypatch.setattr(keystone, "_engine", lambda module: Faulty())
    text = "add x19, x18, x17, lsl #31"
    assert "reads add x0, x1, x3" in error(text, assembler="keystone")
    if any(external.available() for external in EXTERNALS):
        assert assemble(text) == (0x8B117E53,)
    else:
        assert "reads add x0, x1, x3" in error(text)


@pytest.mark.usefixtures("an_assembler")
@pytest.mark.parametrize(
    ("alias", "plain"),
    [
        ("cmp x0, #1", "subs xzr, x0, #1"), ("cmn w1, w2, lsl #3", "adds wzr, w1, w2, lsl #3"),
        ("neg x0, x1", "sub x0, xzr, x1"), ("ngcs w0, w1", "sbcs w0, wzr, w1"), ("tst x0, #1", "ands xzr, x0, #1"),
        ("mvn x0, x1", "orn x0, xzr, x1"), ("mov x0, x1", "orr x0, xzr, x1"), ("mov sp, x1", "add sp, x1, #0"),
        ("mov x0, #0x10000", "movz x0, #1, lsl #16"), ("mov x0, #-1", "movn x0, #0"),
        ("mov w0, #0xffff0001", "movn w0, #0xfffe"),
        ("mov x0, #0x5555555555555555", "orr x0, xzr, #0x5555555555555555"),
        ("lsl x0, x1, #3", "ubfm x0, x1, #61, #60"), ("lsr w0, w1, #3", "ubfm w0, w1, #3, #31"),
        ("asr x0, x1, #63", "sbfm x0, x1, #63, #63"), ("ror w0, w1, #3", "extr w0, w1, w1, #3"),
        ("bfi x0, x1, #3, #4", "bfm x0, x1, #61, #3"), ("bfxil x0, x1, #3, #4", "bfm x0, x1, #3, #6"),
        ("bfc w0, #3, #4", "bfm w0, wzr, #29, #3"), ("sbfiz x0, x1, #3, #4", "sbfm x0, x1, #61, #3"),
        ("ubfx w0, w1, #3, #4", "ubfm w0, w1, #3, #6"), ("sxtw x0, w1", "sbfm x0, x1, #0, #31"),
        ("uxtb w0, w1", "ubfm w0, w1, #0, #7"), ("mul x0, x1, x2", "madd x0, x1, x2, xzr"),
        ("umnegl x0, w1, w2", "umsubl x0, w1, w2, xzr"), ("cset w0, eq", "csinc w0, wzr, wzr, ne"),
        ("cneg x0, x1, lt", "csneg x0, x1, x1, ge"), ("csel x0, x1, x2, cs", "csel x0, x1, x2, hs"),
        ("add x0, x1, #0x1000", "add x0, x1, #1, lsl #12"), ("add x0, x1, #-1", "sub x0, x1, #1"),
        ("ldr x0, [x1, #-8]", "ldur x0, [x1, #-8]"), ("ldr x0, [x1, #0]", "ldr x0, [x1]"), ("csdb", "hint #20"),
        ("bti c", "hint #34"), ("ret", "ret x30"), ("dmb ish", "dmb #11"), ("add x0, sp, x1", "add x0, sp, x1, uxtx"),
        ("lsl w0, w1, w2", "lslv w0, w1, w2"), ("tbz x0, #3, .", "tbz w0, #3, ."),
    ],
)  # fmt: skip
def test_an_alias_and_what_it_stands_for_have_one_form(alias, plain):
    assert canonical(alias) == canonical(plain)
    assert assemble(alias) == assemble(plain)
    assert reads_as(alias, assemble(alias)[0])
    assert reads_as(plain, assemble(plain)[0])


@pytest.mark.usefixtures("an_assembler")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cmp x0, #1", "cmp w0, #1"), ("lsl x0, x1, #3", "lsr x0, x1, #3"), ("mov x0, #1", "orr x0, xzr, #1"),
        ("ldrb w0, [x1, x2]", "ldrb w0, [x1, x2, lsl #0]"), ("ldr x0, [x1, #8]", "ldur x0, [x1, #8]"),
        ("ldr x0, [x1, x2]", "ldr x0, [x1, x2, lsl #3]"), ("movn x0, #0", "movn x0, #0, lsl #16"),
        ("add x0, x1, #0", "add x0, x1, #0, lsl #12"), ("tbz x0, #3, .", "tbz x0, #35, ."),
        ("add x0, x1, x2", "add x0, x1, x2, uxtx"),
        ("cset x0, eq", "cset x0, ne"), ("adds x0, x1, x2", "add x0, x1, x2"),
    ],
)  # fmt: skip
def test_statements_with_different_words_have_different_forms(one, other):
    assert assemble(one) != assemble(other)
    assert canonical(one) != canonical(other)


# The assemblers against each other


@pytest.mark.parametrize("name", [name for name in NAMES if name != "table"])
def test_the_table_is_what_each_installed_assembler_says(name):
    needs(name)
    entries = table.entries()
    assembler = next(a for a in ASSEMBLERS if a.name == name)
    answers = dict(zip(entries, assembler.words(list(entries)), strict=True))
    known = {template: word for template, word in answers.items() if isinstance(word, int)}
    assert len(known) > len(entries) / 2
    assert {t: hex(w) for t, w in known.items() if w != entries[t]} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_assembler_means_the_same_by_a_target(name):
    needs(name)
    text = "b . + 8; cbz x0, #0x10000; adr x1, end; end: ldr x0, . - 4; adrp x0, #0x20000; tbz w0, #0, end"
    assert assemble(text, 0x10000, assembler=name) == (
        0x14000002, 0xB4FFFFE0, 0x10000021, 0x58FFFFE0, 0x90000080, 0x3607FFC0
    )  # fmt: skip


@pytest.mark.parametrize("external", EXTERNALS, ids=lambda external: external.name)
def test_an_installed_assembler_gives_armv8_3_and_good_words_beside_bad_statements(external: External):
    needs(external.name)
    answers = external.words(["nop", "foo x0", "ldaddal x0, x1, [x2]", "add x0, x1", "cfinv"])
    assert [answers[0], answers[2], answers[4]] == [NOP, 0xF8E00041, 0xD500401F]
    assert isinstance(answers[1], Rejection)
    assert isinstance(answers[3], Rejection)


# The table


def test_the_committed_table_is_what_its_sources_give(capsys):
    if all(assembler.name == "keystone" for assembler in generate.installed()):
        pytest.skip("neither GNU as nor llvm-mc nor ziglang is installed")
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_no_two_entries_with_different_words_have_one_form():
    forms: dict[object, set[int]] = {}
    for template, word in table.entries().items():
        forms.setdefault(canonical(template), set()).add(word)
    assert {form: words for form, words in forms.items() if len(words) > 1} == {}


def test_the_table_serves_other_spellings():
    assert assemble("subs xzr, x0, x1; beq .; svc 0x1234", 0, assembler="table") == (0xEB01001F, 0x54000000, 0xD4024681)


def test_the_table_alone_assembles_what_the_suites_use():
    found, problems = generate.templates(generate.SUITES)
    assert problems == []
    assert [template for template in found if template not in table.entries()] == []
    assert assemble("bti c; paciasp; udf #0x1234; cas x0, x1, [x2]", assembler="table") == (
        0xD503245F, 0xD503233F, 0x1234, 0xC8A07C41
    )  # fmt: skip


def test_a_drifted_table_is_found(tmp_path, monkeypatch, capsys):
    if all(assembler.name == "keystone" for assembler in generate.installed()):
        pytest.skip("neither GNU as nor llvm-mc nor ziglang is installed")
    entries = dict(table.entries())
    entries["nop"] ^= 1
    del entries["csdb"]
    entries["add x29, x29, x29"] = 0
    drifted = tmp_path / "table.json"
    drifted.write_text(table.write(entries))
    monkeypatch.setattr(table, "PATH", drifted)
    monkeypatch.setattr(table, "entries", lambda: entries)
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "'nop' is 0xd503201e, not 0xd503201f" in said
    assert "'csdb' is missing" in said
    assert "'add x29, x29, x29' is in the table and in no source" in said


def test_statements_are_collected_from_calls_in_the_suites(tmp_path):
    (tmp_path / "selftest").mkdir()
    (tmp_path / "selftest" / "test_bad.py").write_text('case("nonsense $")\n')
    (tmp_path / "test_it.py").write_text(
        'case("eor x27, x28, x29\\n" "b . + 8")\nx.asm("cls w9, w8")\nother("nop 5")\n'
    )
    found, problems = generate.templates(tmp_path)
    assert problems == []
    assert {t: p for t, p in found.items() if p not in (generate.SEED.name, generate.RUNNER.name)} == {
        "eor x27, x28, x29": "test_it.py:1", "cls w9, w8": "test_it.py:2"
    }  # fmt: skip


# Words to text


def test_disassembly_is_plain_text():
    assert disassemble(0xAB020020) == "adds x0, x1, x2"
    assert disassemble(NOP) == "nop"
    assert disassemble(0x14000002, 0x10000) == "b #0x10008"
    assert disassemble(0xFFFFFFFF) == ".word 0xffffffff"
    assert disassemble(0x385F37E1) == "ldrb w1, [sp], #-0xd"
    assert disassemble(0xF8BF4879).startswith("prfm #0x19, [x3, ")
    with pytest.raises(ValueError, match="32 bits"):
        disassemble(1 << 32)


def test_every_word_can_be_disassembled():
    generator = random.Random(64)
    for _ in range(20_000):
        text = disassemble(generator.getrandbits(32), generator.getrandbits(64))
        assert text
        assert text == text.lower().strip()
        assert "  " not in text


def test_what_is_disassembled_assembles_to_the_same_word():
    needs("keystone")
    generator = random.Random(65)
    address, checked_words = 0x10_0000, 0
    entries = list(table.entries().values())
    for _ in range(2_000):
        word = generator.choice(entries)
        if target_of(word, address) is not None:
            word = with_target(
                word, address, address + 4 * generator.randrange(-8192, 8192) if word >> 24 & 0x9F != 0x90 else 0
            )
        else:
            word ^= generator.getrandbits(5) | generator.getrandbits(5) << 5
        text = disassemble(word, address)
        try:
            again = assemble(text, address, assembler="keystone")
        except UsageError:
            continue
        checked_words += 1
        # MOV of a bitmask prints as MOV of a wide immediate does, and assembles to that.
        assert [disassemble(one, address) for one in again] == [text]
    assert checked_words > 1000
