"""Load/store of one SIMD&FP register: what a load clears, what a store writes, and every addressing mode."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    DATA,
    DATA_END,
    SP,
    case,
    data_abort,
    expect,
    given,
    memory_unknown,
    permit,
    sp_alignment,
    undefined,
)
from assay64.harness.cases.case import SCTLR_EL1, Environment, Region
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.sentences import ExpectedExit
from assay64.suites.loads_and_stores.transfers import UNMAPPED

pytestmark = pytest.mark.simd

STRICT = Environment(sctlr_el1=SCTLR_EL1 | 1 << 1)
BASE = DATA + 0x4000
FULL = (1 << 128) - 1
VALUE = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_11F0
BYTES = bytes.fromhex("f0 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff")
# The register's name, the bytes that it transfers, and what V0 holds after it has read BYTES.
SIZES = (
    ("b0", 1, 0xF0),
    ("h0", 2, 0x11F0),
    ("s0", 4, 0x3322_11F0),
    ("d0", 8, 0x7766_5544_3322_11F0),
    ("q0", 16, VALUE),
)
every_size = pytest.mark.parametrize(("register", "size", "low"), SIZES, ids=[name for name, _, _ in SIZES])


@every_size
def test_load_clears_the_register_above_what_it_reads(backend, register, size, low):
    case(f"ldr {register}, [x1]", given(x1=BASE, v0=FULL, memory={BASE: BYTES}), expect(v0=low)).check(backend)


@every_size
def test_store_writes_the_low_bytes_and_no_others(backend, register, size, low):
    case(f"str {register}, [x1]", given(x1=BASE, v0=VALUE, fill=50), expect(memory={BASE: BYTES[:size]})).check(backend)


@every_size
def test_scaled_offset_reaches_4095_times_the_size(backend, register, size, low):
    address = BASE + 4095 * size
    case(
        f"ldr {register}, [x1, #{4095 * size}]",
        given(x1=BASE, v0=FULL, memory={address: BYTES}),
        expect(v0=low),
        regions=[Region(address=DATA_END, size=0x1_0000)],
    ).check(backend)


@every_size
@pytest.mark.parametrize("offset", [-256, 255])
def test_unscaled_offset(backend, register, size, low, offset):
    case(
        f"ldur {register}, [x1, #{offset}]",
        given(x1=BASE, v0=FULL, memory={BASE + offset: BYTES}),
        expect(v0=low),
    ).check(backend)


@every_size
@pytest.mark.parametrize(
    ("code", "address", "base"),
    [
        ("str {}, [x1], #255", BASE, BASE + 255),
        ("str {}, [x1], #-256", BASE, BASE - 256),
        ("str {}, [x1, #255]!", BASE + 255, BASE + 255),
        ("str {}, [x1, #-256]!", BASE - 256, BASE - 256),
    ],
)
def test_store_writes_the_base_back(backend, register, size, low, code, address, base):
    case(
        code.format(register),
        given(x1=BASE, v0=VALUE, fill=51),
        expect(x1=base, memory={address: BYTES[:size]}),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "index", "distance"),
    [
        ("ldr b0, [x1, x2]", 0x123, 0x123),
        ("ldr b0, [x1, x2, lsl #0]", 0x123, 0x123),
        ("ldr h0, [x1, x2, lsl #1]", 0x123, 0x246),
        ("ldr s0, [x1, w2, uxtw #2]", 0xFFFF_FFFF_0000_0040, 0x100),
        ("ldr d0, [x1, w2, sxtw #3]", 0xFFFF_FFF0, -0x80),
        ("ldr q0, [x1, x2, lsl #4]", 0x10, 0x100),
        ("ldr q0, [x1, x2, sxtx #4]", -0x10, -0x100),
        ("ldr q0, [x1, w2, sxtw]", 0x1_FFFF_FFF0, -0x10),
    ],
)
def test_register_offset(backend, code, index, distance):
    low = {name[0]: value for name, _, value in SIZES}[code[4]]
    case(
        code,
        given(x1=BASE, x2=index & (1 << 64) - 1, v0=FULL, memory={BASE + distance: BYTES}),
        expect(v0=low),
    ).check(backend)


@pytest.mark.parametrize(("register", "bits"), [("s0", 32), ("d0", 64), ("q0", 128)])
def test_literal(backend, register, bits):
    case(
        f"ldr {register}, here\nb end\nhere: .word 0x332211f0, 0x77665544, 0xbbaa9988, 0xffeeddcc\nend: nop",
        given(v0=FULL),
        expect(v0=VALUE & (1 << bits) - 1),
    ).check(backend)


@pytest.mark.parametrize("code", ["ldr q31, [sp, #-16]!", "ldr q31, [sp], #-16"])
def test_stack_pointer_as_the_base(backend, code):
    address = SP - 16 if "!" in code else SP
    case(code, given(memory={address: BYTES}), expect(sp=SP - 16, v31=VALUE)).check(backend)


def test_misaligned_stack_pointer(backend):
    case("str b0, [sp, #8]", given(sp=SP + 8), expect(exit=sp_alignment())).check(backend)


@pytest.mark.parametrize(
    "code", ["ldr q0, [sp]", "stp d0, d1, [sp, #-16]!", "ld1r {v0.8b}, [sp], #1", "ldr s0, [x1, x2]"]
)
def test_trap_of_simd_and_floating_point_comes_before_the_stack_pointer_and_the_address(backend, code):
    trap = ExpectedExit(Exit(kind=ExitKind.TRAP))
    environment = Environment(cpacr_el1=0)
    case(code, given(sp=SP + 8, x1=UNMAPPED), expect(exit=trap), environment=environment).check(backend)


@pytest.mark.parametrize("beyond", [1, 8, 15], ids="{} bytes of it in the second page".format)
def test_quadword_from_two_pages(backend, beyond):
    page = DATA + 0x1000
    address = page - 16 + beyond
    case(
        "ldr q0, [x1]",
        given(x1=address, v0=FULL, memory={address: BYTES[: 16 - beyond], page: BYTES[16 - beyond :]}),
        expect(v0=VALUE),
    ).check(backend)


@pytest.mark.parametrize("code", ["ldr q0, [x1], #16", "ldr q0, [x1, #0]!", "ldur q0, [x1]"])
def test_quadword_into_an_unmapped_page_leaves_the_registers(backend, code):
    address = DATA_END - 8
    case(
        code,
        given(x1=address, v0=VALUE, fill=52),
        permit(*(expect(exit=data_abort(where, "read", "translation")) for where in (DATA_END, address))),
    ).check(backend)


def test_quadword_stored_into_an_unmapped_page(backend):
    address = DATA_END - 8
    case(
        "str q0, [x1], #16",
        given(x1=address, v0=VALUE, fill=53),
        permit(
            *(
                expect(memory_unknown(address, 8), exit=data_abort(where, "write", "translation"))
                for where in (DATA_END, address)
            )
        ),
    ).check(backend)


@pytest.mark.parametrize("code", ["str b0, [x1, #-1]!", "str d0, [x1], #8", "str q0, [x1, #16]!"])
def test_store_to_an_unmapped_page_keeps_the_base(backend, code):
    distance = {"str b0, [x1, #-1]!": -1, "str d0, [x1], #8": 0, "str q0, [x1, #16]!": 16}[code]
    case(
        code,
        given(x1=UNMAPPED + 0x100, v0=VALUE),
        expect(exit=data_abort(UNMAPPED + 0x100 + distance, "write", "translation")),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "distance"),
    [("ldr h0, [x1]", 1), ("ldr s0, [x1]", 2), ("ldr d0, [x1]", 4), ("ldr q0, [x1]", 8)],
)
def test_strict_alignment_is_of_the_whole_register(backend, code, distance):
    case(
        code,
        given(x1=BASE + distance, v0=FULL),
        expect(exit=data_abort(BASE + distance, "read", "alignment")),
        environment=STRICT,
    ).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        0x7D80_0020,
        0x7DC0_0020,
        0xBD80_0020,
        0xFDC0_0020,
        0x7C80_0420,
        0xBCC0_0C20,
        0xFC80_0020,
        0x7CA2_6820,
        0xDC00_0020,
    ],
    ids="{:08x}".format,
)
def test_sizes_beyond_a_quadword_are_undefined(backend, word):
    case(word, given(x1=CODE), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize("option", [0, 1, 4, 5])
def test_register_offset_with_a_reserved_extension_is_undefined(backend, option):
    case(0x3CE2_0820 | option << 13, given(x1=CODE), expect(exit=undefined())).check(backend)
