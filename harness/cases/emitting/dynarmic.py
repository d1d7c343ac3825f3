"""A Catch2 TEST_CASE for Dynarmic's tests/A64, over its testenv.h."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay64.harness.cases.emitting.scenario import Ending, Scenario, Unfit
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.state import MASK64, PAC_KEYS

MASK32 = (1 << 32) - 1
EXCLUSIVE = re.compile("(lda?|stl?)x[rp][bh]?")
AT_END = 0x1400_0000  # B ., as its other tests have it


def write(scenario: Scenario) -> str:
    scenario.only(ExitKind.UNTIL)
    scenario.without("tpidr_el0", "tpidrro_el0", "btype", "ssbs", "dit", "tco", "ss", "il", "daif", *PAC_KEYS)
    if len(scenario.endings) != 1:
        raise Unfit("Arm permits several outcomes")
    if scenario.until != scenario.code_address + 4 * len(scenario.code):
        raise Unfit("it does not end behind its code")
    ending = scenario.endings[0]
    lines = [f"// {line}" for line in scenario.heading()]
    lines += [f'TEST_CASE("A64: {scenario.name}", "[a64]") {{', "    A64TestEnv env;"]
    lines += ["    A64::UserConfig conf{&env};"]
    if any(EXCLUSIVE.fullmatch(text.split()[0]) for _, _, text in scenario.listing()):
        lines += ["    ExclusiveMonitor monitor{1};", "    conf.global_monitor = &monitor;"]
    lines += ["    A64::Jit jit{conf};", ""]
    lines += [f"    env.code_mem_start_address = 0x{scenario.code_address:x};"]
    lines += [f"    env.code_mem.emplace_back(0x{word:08x});  // {text}" for _, word, text in scenario.listing()]
    lines += [f"    env.code_mem.emplace_back(0x{AT_END:08x});  // B .", ""]
    lines += [f"    {line}" for line in _memory(scenario)]
    lines += [f"    {line}" for line in _given(scenario)]
    lines += [
        f"    jit.SetPC(0x{scenario.code_address:x});",
        f"    env.ticks_left = {scenario.budget};",
        "    auto expected_memory = env.modified_memory;",
        "    jit.Run();",
        "",
    ]
    lines += [f"    {line}" for line in _checks(ending)]
    return "\n".join([*lines, "}", ""])


def _memory(scenario: Scenario) -> Iterator[str]:
    """Its environment gives every byte that is not there the low byte of the address: all bytes have to be there."""
    for region in scenario.regions:
        yield f"for (u64 address = 0x{region.address:x}; address < 0x{region.address + region.size:x}; ++address)"
        yield "    env.modified_memory[address] = 0;"
    for address, data in scenario.contents:
        for index, byte in enumerate(data):
            if byte:
                yield f"env.modified_memory[0x{address + index:x}] = 0x{byte:02x};"
    yield "for (size_t i = 0; i < 4 * env.code_mem.size(); ++i)"
    yield f"    env.modified_memory[0x{scenario.code_address:x} + i] = env.code_mem[i / 4] >> i % 4 * 8 & 0xff;"


def _given(scenario: Scenario) -> Iterator[str]:
    for name, value in scenario.given.items():
        if name[0] == "x":
            yield f"jit.SetRegister({name[1:]}, 0x{value:x});"
        elif name[0] == "v":
            yield f"jit.SetVector({name[1:]}, {_vector(value)});"
        elif name == "nzcv":
            yield f"jit.SetPstate(0x{value << 28:x});"
        else:
            yield f"jit.Set{ {'sp': 'SP', 'fpcr': 'Fpcr', 'fpsr': 'Fpsr'}[name] }(0x{value:x});"


def _checks(ending: Ending) -> Iterator[str]:
    for name, value, mask in ending.registers:
        if name[0] == "x":
            yield _require(f"jit.GetRegister({name[1:]})", value, mask, MASK64)
        elif name[0] == "v" and mask == (1 << 128) - 1:
            yield f"REQUIRE(jit.GetVector({name[1:]}) == {_vector(value)});"
        elif name[0] == "v":
            for half in (0, 1):
                part = mask >> 64 * half & MASK64
                yield _require(f"jit.GetVector({name[1:]})[{half}]", value >> 64 * half & MASK64, part, MASK64)
        elif name == "nzcv":
            yield f"REQUIRE((jit.GetPstate() & 0x{mask << 28:x}) == 0x{value << 28:x});"
        else:
            getter = {"sp": "GetSP", "pc": "GetPC", "fpcr": "GetFpcr", "fpsr": "GetFpsr"}[name]
            width = MASK32 if name in ("fpcr", "fpsr") else MASK64
            yield _require(f"jit.{getter}()", value, mask, MASK64 if name in ("sp", "pc") else width)
    for address, data in ending.memory:
        for index, byte in enumerate(data):
            yield f"expected_memory[0x{address + index:x}] = 0x{byte:02x};"
    for address, size in ending.unknown:
        yield f"for (u64 address = 0x{address:x}; address < 0x{address + size:x}; ++address)"
        yield "    expected_memory[address] = env.modified_memory[address];"
    yield "for (const auto& [address, byte] : env.modified_memory) {"
    yield "    if (expected_memory.count(address) && expected_memory[address] == byte)"
    yield "        continue;"
    yield "    CAPTURE(address);"
    yield "    REQUIRE(byte == expected_memory[address]);"
    yield "}"


def _require(what: str, value: int, mask: int, whole: int) -> str:
    return f"REQUIRE({what} == 0x{value:x});" if mask == whole else f"REQUIRE(({what} & 0x{mask:x}) == 0x{value:x});"


def _vector(value: int) -> str:
    return f"Vector{{0x{value & MASK64:x}, 0x{value >> 64:x}}}"
