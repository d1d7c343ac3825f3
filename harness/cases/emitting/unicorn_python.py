"""A Python script over Unicorn's own binding. Unicorn starts at EL1, and the code runs there."""

from __future__ import annotations

from assay64.harness.cases.emitting.scenario import Scenario
from assay64.harness.cases.emitting.unicorn_c import STOPS
from assay64.harness.cases.state import PAC_KEYS

_SCRIPT = '''\
def register(name):
    return getattr(arm64, f"UC_ARM64_REG_{name.upper()}")


uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
uc.ctl_set_cpu_model(CPU_MODEL)
for address, size, permissions in REGIONS:
    letters = {"r": unicorn.UC_PROT_READ, "w": unicorn.UC_PROT_WRITE, "x": unicorn.UC_PROT_EXEC}
    uc.mem_map(address, size, sum(letters[letter] for letter in permissions))
for address, data in CONTENTS:
    uc.mem_write(address, bytes.fromhex(data))
uc.mem_write(CODE_ADDRESS, b"".join(word.to_bytes(4, "little") for word in CODE))
for name in [*(f"x{i}" for i in range(31)), *(f"v{i}" for i in range(32)), "sp", "nzcv", "fpcr", "fpsr", *GIVEN]:
    uc.reg_write(register(name), GIVEN.get(name, 0) << (28 if name == "nzcv" else 0))
try:
    uc.emu_start(CODE_ADDRESS, UNTIL, count=BUDGET)
    stop = 0
except unicorn.UcError as error:
    print("emu_start:", error)
    stop = 1


def read(name):
    value = uc.reg_read(register(name))
    return value >> 28 & 15 if name == "nzcv" else value


def differences(outcome):
    """What differs from one permitted outcome."""
    if stop != outcome["stop"]:
        yield f"stops {'with an error' if stop else 'without an error'}"
    for name, (value, mask) in outcome["registers"].items():
        if (read(name) ^ value) & mask:
            yield f"{name} is {read(name):#x}, expected {value:#x}"
    for address, data in outcome["memory"]:
        if bytes(uc.mem_read(address, len(data) // 2)) != bytes.fromhex(data):
            yield f"memory at {address:#x} is not {data}"


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
    given = ", ".join(f'"{name}": 0x{value:X}' for name, value in scenario.given.items())
    lines += [f"GIVEN = {{{given}}}", "REGIONS = ["]
    lines += [f'    (0x{one.address:X}, 0x{one.size:X}, "{one.permissions}"),' for one in scenario.regions]
    lines += ["]", "CONTENTS = ["]
    lines += [f'    (0x{address:X}, "{data.hex()}"),' for address, data in scenario.contents]
    lines += ["]", "PERMITTED = ["]
    for ending in scenario.endings:
        lines += ["    {", f'        "stop": {STOPS[ending.exit.kind]},', '        "registers": {']
        lines += [f'            "{name}": (0x{value:X}, 0x{mask:X}),' for name, value, mask in ending.registers]
        lines += ["        },", '        "memory": [']
        lines += [f'            (0x{address:X}, "{data.hex()}"),' for address, data in ending.memory]
        lines += ["        ],", "    },"]
    return "\n".join([*lines, "]", "", ""]) + _SCRIPT
