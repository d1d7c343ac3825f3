"""What the two C forms share: registers as a structure, memory as tables, the comparison with what is permitted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from assay64.harness.cases.emitting.scenario import Scenario
from assay64.harness.cases.state import MASK64, MASK128

STRUCTURES = """\
struct registers {
    uint64_t x[31], sp, pc, nzcv, fpcr, fpsr;
    uint64_t v[32][2]; /* low half first */
};
struct bytes {
    uint64_t address;
    unsigned size;
    const char *data;
};
struct outcome {
    struct registers value, mask; /* a bit that is clear in the mask is not compared */
    int stop;
    const struct bytes *memory;
    unsigned n_memory;
};
"""

COMPARISON = """\
static void show(const char *name, uint64_t high, uint64_t low, uint64_t expected_high, uint64_t expected_low) {
    printf("  %-5s is 0x%016llx%016llx, expected 0x%016llx%016llx\\n", name, (unsigned long long)high,
           (unsigned long long)low, (unsigned long long)expected_high, (unsigned long long)expected_low);
}

/* How many registers and pieces of memory differ from one permitted outcome. */
static int compare(const struct registers *got, int stop, const struct outcome *wanted, int print) {
    int differences = 0;
    char name[8];
    const uint64_t *values = (const uint64_t *)got, *expected = (const uint64_t *)&wanted->value;
    const uint64_t *masks = (const uint64_t *)&wanted->mask;
    static const char *const others[] = {"sp", "pc", "nzcv", "fpcr", "fpsr"};
    if (stop != wanted->stop) {
        ++differences;
        if (print) printf("  it stops with %d, expected %d\\n", stop, wanted->stop);
    }
    for (unsigned i = 0; i < 36; ++i) {
        if (!((values[i] ^ expected[i]) & masks[i])) continue;
        ++differences;
        snprintf(name, sizeof name, "x%u", i);
        if (print) show(i < 31 ? name : others[i - 31], 0, values[i], 0, expected[i]);
    }
    for (unsigned i = 0; i < 32; ++i) {
        if (!((got->v[i][0] ^ wanted->value.v[i][0]) & wanted->mask.v[i][0]) &&
            !((got->v[i][1] ^ wanted->value.v[i][1]) & wanted->mask.v[i][1]))
            continue;
        ++differences;
        snprintf(name, sizeof name, "v%u", i);
        if (print) show(name, got->v[i][1], got->v[i][0], wanted->value.v[i][1], wanted->value.v[i][0]);
    }
    for (unsigned i = 0; i < wanted->n_memory; ++i) {
        if (same_memory(&wanted->memory[i])) continue;
        ++differences;
        if (print) printf("  memory at 0x%llx differs\\n", (unsigned long long)wanted->memory[i].address);
    }
    return differences;
}

/* 0 when what happened is one of the permitted outcomes. */
static int judge(const struct registers *got, int stop) {
    const unsigned count = sizeof permitted / sizeof *permitted;
    for (unsigned i = 0; i < count; ++i)
        if (compare(got, stop, &permitted[i], 0) == 0) return puts("as Arm permits"), 0;
    printf("DIFFERENT from %s:\\n", count > 1 ? "each permitted outcome; from the first" : "what Arm permits");
    compare(got, stop, &permitted[0], 1);
    return 1;
}
"""


def comment(lines: Iterable[str]) -> str:
    """A comment; what would end it early is broken up."""
    return "/*\n" + "".join(f" * {line.replace('*/', '* /')}\n" for line in lines) + " */\n"


def code_table(scenario: Scenario) -> str:
    lines = [f"    0x{word:08x}, /* {text} */" for _, word, text in scenario.listing()]
    return "\n".join(["static const uint32_t code[] = {", *lines, "};", ""])


def tables(scenario: Scenario, stops: Iterable[int]) -> str:
    """The constants: given registers, contents of memory, permitted outcomes with how each stops."""
    lines = [f"static const struct registers given = {{{_registers(scenario.given.items())}}};"]
    lines += ["static const struct bytes contents[] = {"]
    lines += [f"    {_bytes(address, data)}," for address, data in scenario.contents] or ['    {0, 0, ""},']
    lines += ["};"]
    for number, ending in enumerate(scenario.endings):
        lines += [f"static const struct bytes memory_{number}[] = {{"]
        lines += [f"    {_bytes(address, data)}," for address, data in ending.memory] or ['    {0, 0, ""},']
        lines += ["};"]
    lines += ["static const struct outcome permitted[] = {"]
    for number, (ending, stop) in enumerate(zip(scenario.endings, stops, strict=True)):
        values = [(name, value) for name, value, _ in ending.registers]
        masks = [(name, mask) for name, _, mask in ending.registers]
        lines += [
            "    {",
            f"        .value = {{{_registers(values)}}},",
            f"        .mask = {{{_registers(masks)}}},",
            f"        .stop = {stop},",
            f"        .memory = memory_{number},",
            f"        .n_memory = {len(ending.memory)},",
            "    },",
        ]
    return "\n".join([*lines, "};", ""])


def regions(scenario: Scenario) -> Iterator[tuple[int, int, str]]:
    """(address, size, permissions) of the memory."""
    return ((region.address, region.size, region.permissions) for region in scenario.regions)


def _registers(values: Iterable[tuple[str, int]]) -> str:
    found = list[str]()
    for name, value in values:
        if not value or name in ("tpidr_el0", "tpidrro_el0"):
            continue
        if name[0] == "v":
            found.append(f".v[{name[1:]}] = {{0x{value & MASK64:x}, 0x{(value & MASK128) >> 64:x}}}")
        elif name[0] == "x":
            found.append(f".x[{name[1:]}] = 0x{value:x}")
        else:
            found.append(f".{name} = 0x{value:x}")
    return ", ".join(found) or "{0}"


def _bytes(address: int, data: bytes) -> str:
    text = "".join(f"\\x{byte:02x}" for byte in data)
    return f'{{0x{address:x}, {len(data)}, "{text}"}}'
