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
    const char *data; /* NULL in an outcome: not compared */
};
struct region {
    uint64_t address;
    size_t size;
    unsigned char *before, *wanted, *found;
};
/* How it ended; of an abort the kind, ANY where that is not compared, and the address. */
struct ending {
    int stop, kind;
    uint64_t address, mask;
};
#define ANY -1
struct outcome {
    struct registers value, loose; /* a bit that is set in `loose` is not compared */
    struct ending ending;
    const struct bytes *memory; /* what it changes: all else is as it was before */
    unsigned n_memory;
};
"""

COMPARISON = """\
static void show(const char *name, uint64_t high, uint64_t low, uint64_t expected_high, uint64_t expected_low) {
    printf("  %-5s is 0x%016llx%016llx, expected 0x%016llx%016llx\\n", name, (unsigned long long)high,
           (unsigned long long)low, (unsigned long long)expected_high, (unsigned long long)expected_low);
}

static unsigned char *allocate(size_t size) {
    unsigned char *found = malloc(size);
    if (found) return found;
    perror("malloc");
    exit(2);
}

/* The memory as it is before the code runs. */
static void remember_memory(void) {
    for (struct region *one = regions; one < regions + N_REGIONS; ++one) {
        one->before = allocate(one->size);
        one->wanted = allocate(one->size);
        one->found = allocate(one->size);
        read_memory(one->address, one->before, one->size);
    }
}

static void look_at_memory(void) {
    for (struct region *one = regions; one < regions + N_REGIONS; ++one)
        read_memory(one->address, one->found, one->size);
}

/* What an outcome leaves there. */
static void fill_wanted(const struct region *region, const struct outcome *outcome) {
    memcpy(region->wanted, region->before, region->size);
    for (unsigned i = 0; i < outcome->n_memory; ++i)
        for (unsigned byte = 0; byte < outcome->memory[i].size; ++byte) {
            const char *data = outcome->memory[i].data;
            const uint64_t place = outcome->memory[i].address + byte - region->address;
            if (place < region->size) region->wanted[place] = data ? (unsigned char)data[byte] : region->found[place];
        }
}

static int compare_memory(const struct outcome *wanted, int print) {
    int differences = 0;
    for (const struct region *one = regions; one < regions + N_REGIONS; ++one) {
        fill_wanted(one, wanted);
        for (size_t i = 0; i < one->size; ++i) {
            if (one->found[i] == one->wanted[i]) continue;
            if (print && ++differences <= 16)
                printf("  memory 0x%llx is 0x%02x, expected 0x%02x%s\\n", (unsigned long long)(one->address + i),
                       one->found[i], one->wanted[i], one->wanted[i] == one->before[i] ? ", as it was before" : "");
            else if (!print)
                return 1;
        }
    }
    if (differences > 16) printf("  and %d more bytes\\n", differences - 16);
    return differences;
}

static int compare_ending(struct ending got, struct ending wanted, int print) {
    const int different = got.stop != wanted.stop || (wanted.kind != ANY && got.kind != wanted.kind);
    const int elsewhere = !different && ((got.address ^ wanted.address) & wanted.mask) != 0;
    if (print && different)
        printf("  it stops with %d (kind %d), expected %d (kind %d)\\n", got.stop, got.kind, wanted.stop, wanted.kind);
    if (print && elsewhere)
        printf("  it faults at 0x%llx, expected 0x%llx\\n", (unsigned long long)got.address,
               (unsigned long long)wanted.address);
    return different + elsewhere;
}

/* How much differs from one permitted outcome. */
static int compare(const struct registers *got, struct ending ending, const struct outcome *wanted, int print) {
    int differences = compare_ending(ending, wanted->ending, print) + compare_memory(wanted, print);
    char name[8];
    const uint64_t *values = (const uint64_t *)got, *expected = (const uint64_t *)&wanted->value;
    const uint64_t *loose = (const uint64_t *)&wanted->loose;
    static const char *const others[] = {"sp", "pc", "nzcv", "fpcr", "fpsr"};
    for (unsigned i = 0; i < 36; ++i) {
        if (!((values[i] ^ expected[i]) & ~loose[i])) continue;
        ++differences;
        snprintf(name, sizeof name, "x%u", i);
        if (print) show(i < 31 ? name : others[i - 31], 0, values[i], 0, expected[i]);
    }
    for (unsigned i = 0; i < 32; ++i) {
        if (!((got->v[i][0] ^ wanted->value.v[i][0]) & ~wanted->loose.v[i][0]) &&
            !((got->v[i][1] ^ wanted->value.v[i][1]) & ~wanted->loose.v[i][1]))
            continue;
        ++differences;
        snprintf(name, sizeof name, "v%u", i);
        if (print) show(name, got->v[i][1], got->v[i][0], wanted->value.v[i][1], wanted->value.v[i][0]);
    }
    return differences;
}

/* 0 when what happened is one of the permitted outcomes. */
static int judge(const struct registers *got, struct ending ending) {
    const unsigned count = sizeof permitted / sizeof *permitted;
    for (unsigned i = 0; i < count; ++i)
        if (compare(got, ending, &permitted[i], 0) == 0) return puts("as Arm permits"), 0;
    printf("DIFFERENT from %s:\\n", count > 1 ? "each permitted outcome; from the first" : "what Arm permits");
    compare(got, ending, &permitted[0], 1);
    return 1;
}
"""


def comment(lines: Iterable[str]) -> str:
    """A comment; what would end it early is broken up."""
    return "/*\n" + "".join(f" * {line.replace('*/', '* /')}\n" for line in lines) + " */\n"


def code_table(scenario: Scenario) -> str:
    lines = [f"    0x{word:08x}, /* {text} */" for _, word, text in scenario.listing()]
    return "\n".join(["static const uint32_t code[] = {", *lines, "};", ""])


def tables(scenario: Scenario, stops: Iterable[tuple[int, int | str]], address_mask: int = MASK64) -> str:
    """The constants: given registers, memory, permitted outcomes with the (stop, kind) of each.

    ``address_mask`` has the bits of a fault's address that the platform reports.
    """
    lines = [f"static const struct registers given = {{{_registers(scenario.given.items())}}};"]
    lines += [f"#define N_REGIONS {len(scenario.regions)}", "static struct region regions[] = {"]
    lines += [f"    {{0x{address:x}, 0x{size:x}, NULL, NULL, NULL}}," for address, size, _ in regions(scenario)]
    lines += ["};", "static const struct bytes contents[] = {"]
    lines += [f"    {_bytes(address, data)}," for address, data in scenario.contents] or ['    {0, 0, ""},']
    lines += ["};"]
    for number, ending in enumerate(scenario.endings):
        lines += [f"static const struct bytes memory_{number}[] = {{"]
        lines += [f"    {_bytes(address, data)}," for address, data in ending.memory]
        lines += [f"    {{0x{address:x}, {size}, NULL}}," for address, size in ending.unknown]
        lines += ["    {0, 0, NULL},", "};"]
    lines += ["static const struct outcome permitted[] = {"]
    for number, (ending, (stop, kind)) in enumerate(zip(scenario.endings, stops, strict=True)):
        address, mask = (0, 0) if ending.address is None else (ending.address, address_mask)
        lines += [
            "    {",
            f"        .value = {{{_registers(ending.values())}}},",
            f"        .loose = {{{_registers(ending.loose())}}},",
            f"        .ending = {{{stop}, {kind}, 0x{address:x}, 0x{mask:x}}},",
            f"        .memory = memory_{number},",
            f"        .n_memory = {len(ending.memory) + len(ending.unknown)},",
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
