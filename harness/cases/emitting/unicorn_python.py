"""A Python script over Unicorn's own binding. It runs as in the C program."""

from __future__ import annotations

from assay64.harness.cases.emitting.scenario import Scenario
from assay64.harness.cases.emitting.unicorn_c import STOPS, SYSTEM_REGISTERS, TO_EL0, error_name
from assay64.harness.cases.state import PAC_KEYS

_SCRIPT = '''\
NAMES = [*(f"x{i}" for i in range(31)), *(f"v{i}" for i in range(32)), "sp", "pc", "nzcv", "fpcr", "fpsr"]


def register(name):
    return getattr(arm64, f"UC_ARM64_REG_{name.upper()}")


def read(name):
    value = uc.reg_read(register(name))
    return value >> 28 & 15 if name == "nzcv" else value


def write_words(address, words):
    uc.mem_write(address, b"".join(word.to_bytes(4, "little") for word in words))


def read_memory():
    return {address: bytes(uc.mem_read(address, size)) for address, size, _ in REGIONS}


def on_fault(uc, access, address, size, value, data):
    if not faults:  # some instructions go on, and change registers
        faults.append((address, uc.context_save()))
    return False


uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
uc.ctl_set_cpu_model(CPU_MODEL)
for op0, op1, crn, crm, op2, value in SYSTEM_REGISTERS:
    uc.reg_write(arm64.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))
uc.ctl_tlb_mode(unicorn.UC_TLB_VIRTUAL)
# It starts at EL1; writing PSTATE would leave the translator there.
uc.mem_map(FREE_PAGE, 0x1000)
write_words(FREE_PAGE, TO_EL0)
uc.reg_write(arm64.UC_ARM64_REG_X30, FREE_PAGE + 4 * len(TO_EL0) - 4)
uc.emu_start(FREE_PAGE, FREE_PAGE + 4 * len(TO_EL0))
uc.mem_unmap(FREE_PAGE, 0x1000)

for address, size, permissions in REGIONS:
    letters = {"r": unicorn.UC_PROT_READ, "w": unicorn.UC_PROT_WRITE, "x": unicorn.UC_PROT_EXEC}
    uc.mem_map(address, size, sum(letters[letter] for letter in permissions))
for address, data in CONTENTS:
    uc.mem_write(address, bytes.fromhex(data))
write_words(CODE_ADDRESS, CODE)
for name in [*NAMES, *GIVEN]:
    uc.reg_write(register(name), GIVEN.get(name, 0) << (28 if name == "nzcv" else 0))
before, faults, error = read_memory(), [], 0
uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, on_fault)
try:
    uc.emu_start(CODE_ADDRESS, UNTIL, count=BUDGET)
except unicorn.UcError as raised:
    print("emu_start:", raised)
    error = raised.errno
if faults:
    uc.context_restore(faults[0][1])
after = read_memory()


def differences(outcome):
    """What differs from one permitted outcome."""
    if (error != 0) != outcome["stop"] or outcome["error"] not in (None, error):
        yield f"stops {'with' if error else 'without'} an error ({error}), expected {outcome['error']}"
    elif outcome["address"] is not None and faults and faults[0][0] != outcome["address"]:
        yield f"faults at {faults[0][0]:#x}, expected {outcome['address']:#x}"
    for name in NAMES:
        value = outcome["registers"].get(name, 0)
        if (read(name) ^ value) & ~outcome["loose"].get(name, 0):
            yield f"{name} is {read(name):#x}, expected {value:#x}"
    changed = dict(byte for address, data in outcome["memory"] for byte in enumerate(bytes.fromhex(data), address))
    for start, data in before.items():  # what an outcome does not change must be as it was
        found = after[start]
        wanted = [changed.get(start + place, byte) for place, byte in enumerate(data)]
        for address, size in outcome["unknown"]:
            for place in range(max(address - start, 0), min(address - start + size, len(data))):
                wanted[place] = found[place]
        wrong = [place for place in range(len(data)) if wanted[place] != found[place]]
        for place in wrong[:16]:
            yield f"memory {start + place:#x} is {found[place]:#04x}, expected {wanted[place]:#04x}"
        if len(wrong) > 16:
            yield f"and {len(wrong) - 16} more bytes"


found = [list(differences(outcome)) for outcome in PERMITTED]
if [] in found:
    print("as Arm permits")
else:
    print("DIFFERENT from what Arm permits:", *found[0], sep="\\n  ")
    sys.exit(1)
'''


def write(scenario: Scenario) -> str:
    scenario.only(*STOPS)
    scenario.without("btype", "ssbs", "dit", "tco", "ss", "il", "daif", *PAC_KEYS)
    lines = ['"""', *(line.replace("\\", "/") for line in scenario.heading()), '"""', ""]
    lines += ["import sys", "", "import unicorn", "from unicorn import arm64_const as arm64", ""]
    lines += [f"CPU_MODEL = arm64.{scenario.unicorn_cpu}", "CODE = ["]
    lines += [f"    0x{word:08X},  # {text}" for _, word, text in scenario.listing()]
    lines += [
        "]",
        f"CODE_ADDRESS, UNTIL, BUDGET = 0x{scenario.code_address:X}, 0x{scenario.until:X}, {scenario.budget}",
    ]
    lines += [f"FREE_PAGE = 0x{scenario.free_page:X}", "TO_EL0 = ["]
    lines += [f"    0x{word:08X},  # {text}" for word, text in TO_EL0]
    lines += ["]", "SYSTEM_REGISTERS = ["]
    lines += [f"    ({', '.join(map(str, place))}, 0x{value:X}),  # {name}" for name, place, value in SYSTEM_REGISTERS]
    lines += ["]"]
    given = ", ".join(f'"{name}": 0x{value:X}' for name, value in scenario.given.items())
    lines += [f"GIVEN = {{{given}}}", "REGIONS = ["]
    lines += [f'    (0x{one.address:X}, 0x{one.size:X}, "{one.permissions}"),' for one in scenario.regions]
    lines += ["]", "CONTENTS = ["]
    lines += [f'    (0x{address:X}, "{data.hex()}"),' for address, data in scenario.contents]
    lines += ["]", "PERMITTED = ["]
    for ending in scenario.endings:
        error = error_name(ending)
        lines += ["    {", f'        "stop": {bool(STOPS[ending.exit.kind])},']
        lines += [f'        "error": {error and f"unicorn.{error}"},']
        lines += [f'        "address": {None if ending.address is None else f"0x{ending.address:X}"},']
        lines += ['        "registers": {']
        lines += [f'            "{name}": 0x{value:X},' for name, value in ending.values()]
        loose = ", ".join(f'"{name}": 0x{bits:X}' for name, bits in ending.loose())
        lines += ["        },", f'        "loose": {{{loose}}},  # bits that are not compared', '        "memory": [']
        lines += [f'            (0x{address:X}, "{data.hex()}"),' for address, data in ending.memory]
        lines += ["        ],", '        "unknown": [']
        lines += [f"            (0x{address:X}, {size})," for address, size in ending.unknown]
        lines += ["        ],", "    },"]
    return "\n".join([*lines, "]", "", ""]) + _SCRIPT
