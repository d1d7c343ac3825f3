"""Reproducers in other languages: compiled and run, they say `as Arm permits` for what is permitted, and exit with 1
where a backend differs. What a form cannot express is one clear line.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
import unicorn

from assay64.harness.backends.dynarmic import BACKEND as DYNARMIC
from assay64.harness.cases.case import DATA_REGION, DEFAULT_REGIONS, Case, Environment, Region, Run, Schedule
from assay64.harness.cases.emitting import FORMS, emit, prepared
from assay64.harness.cases.files import read_cases
from assay64.harness.cases.outcome import Fault
from assay64.harness.cases.state import State
from assay64.harness.cases.tokens import from_token, to_token
from assay64.harness.cli import invoke
from assay64.harness.errors import UsageError
from assay64.harness.judge.judge import Judge

UNICORN = Path(unicorn.__file__).parent
DATA = DATA_REGION[0]
PERMITTED = {
    "flags": "ab020020:x1=-1,x2=1",
    "store": "f9000020:x0=77,x1=0x20000ff8",
    "load": "f9400020:x1=0x20000ff8,mem.20000ff8=8877665544332211",
    "pseudo-random memory": "a9400420:x1=0x20000ff8,fill=3",
    "load abort": "f9400020:x1=0x30000000",
    "store abort": "f9000020:x1=0x10000000",
    "undefined": "00000000:",
    "two outcomes": "c85f7c20.c8027c23:x1=0x20000000,x3=9",
    "exclusive load": "c85f7c20:x1=0x20000000",
    "vector": "4ea11c20:v1=0x123456789abcdef00fedcba987654321",
    "FPCR": "9e230020:x1=-1,fpcr=0x400000",
    "quiet NaN": "1e622820:v1=0x3ff0000000000000,v2=0x7ff8000000000001",
    "sequence": "91000400.91000421.8b010002:x0=1,x1=2",
    "stack": "f81f0fe0:x0=5",
    "behind the code": "58000020:",
    "fetch abort": "d61f0020:x1=0x50000000",
    "no execution": "d61f0020:x1=0x20000000",
    "second page": "a9000400:x0=0x2000fff8,x1=9",
    "privileged": "d5087621:x1=0x20000000",
}
# A store-release that must fault, and that neither Unicorn nor QEMU checks (unicorn-misaligned-acquire-release).
DIFFERENT = "c89ffc41:x1=7,x2=0x20000001"


@pytest.fixture(scope="module")
def judge():
    with Judge() as judge:
        yield judge


def emitted(judge, form, token):
    case = prepared(form, from_token(token))
    return emit(form, case, judge.expected(case), token)


def test_an_instruction_that_the_cpu_lacks_is_undefined_in_the_script_too(judge, tmp_path):
    ldadd = "f8200022:x0=5,x1=0x20000000"
    check(*run_script(emitted(judge, "unicorn-python", ldadd), tmp_path), ldadd)


def run(*command, cwd):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check(code, output, token):
    if token == DIFFERENT:
        assert (code, "DIFFERENT" in output) == (1, True), output
        assert "expected" in output
    else:
        assert (code, output.splitlines()[-1]) == (0, "as Arm permits"), output


@pytest.mark.parametrize("token", [*PERMITTED.values(), DIFFERENT], ids=[*PERMITTED, "different"])
def test_the_python_script_runs(judge, token, tmp_path):
    check(*run_script(emitted(judge, "unicorn-python", token), tmp_path), token)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
@pytest.mark.parametrize("token", [*PERMITTED.values(), DIFFERENT], ids=[*PERMITTED, "different"])
def test_the_unicorn_program_is_compiled_and_runs(judge, token, tmp_path):
    check(*run_unicorn_program(emitted(judge, "unicorn-c", token), tmp_path), token)


def cross_compiler():
    if compiler := shutil.which("aarch64-linux-gnu-gcc"):
        return [compiler]
    return [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"] if find_spec("ziglang") else None


def emulator():
    return shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")


@pytest.mark.skipif(emulator() is None, reason="no qemu-aarch64 here")
@pytest.mark.skipif(cross_compiler() is None, reason="no C compiler for arm64: the extra asm, or aarch64-linux-gnu-gcc")
@pytest.mark.parametrize("token", [*PERMITTED.values(), DIFFERENT], ids=[*PERMITTED, "different"])
def test_the_linux_program_is_compiled_and_runs_under_qemu(judge, token, tmp_path):
    text = emitted(judge, "linux", token)
    for cpu in ((), ("-cpu", "max,sve=off,sme=off")):
        check(*run_linux_program(text, tmp_path, *cpu), token)


@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-as") is None, reason="GNU as for arm64 is not installed")
def test_the_assembly_of_the_linux_program_is_the_code(judge, tmp_path):
    text = emitted(judge, "linux", PERMITTED["sequence"])
    lines = [line.strip().strip('"').removesuffix("\\n") for line in text.splitlines() if ".inst" in line]
    (tmp_path / "repro.s").write_text("\n".join(lines) + "\n", "utf-8")
    assert run("aarch64-linux-gnu-as", "-o", "repro.o", "repro.s", cwd=tmp_path) == (0, "")
    run("aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", "repro.o", "repro.bin", cwd=tmp_path)
    words = b"".join(word.to_bytes(4, "little") for word in from_token(PERMITTED["sequence"]).code)
    assert (tmp_path / "repro.bin").read_bytes() == words


# What Dynarmic's tests/A64/testenv.h and Catch2 give a test, as far as an emitted one asks for it.
STUB = r"""
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <vector>
#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/A64/config.h>
#include <dynarmic/interface/exclusive_monitor.h>
using namespace Dynarmic;
using u64 = std::uint64_t;
using Vector = A64::Vector;
struct A64TestEnv final : A64::UserCallbacks {
    u64 ticks_left = 0, code_mem_start_address = 0;
    std::vector<std::uint32_t> code_mem;
    std::map<u64, std::uint8_t> modified_memory;
    template <typename T> T Read(u64 a) {
        std::uint8_t bytes[sizeof(T)];
        for (u64 i = a; i < a + sizeof(T); ++i) bytes[i - a] = modified_memory.count(i) ? modified_memory[i] : i & 255;
        T value;
        std::memcpy(&value, bytes, sizeof value);
        return value;
    }
    template <typename T> void Write(u64 a, const T& value) {
        std::uint8_t bytes[sizeof(T)];
        std::memcpy(bytes, &value, sizeof value);
        for (u64 i = 0; i < sizeof(T); ++i) modified_memory[a + i] = bytes[i];
    }
    std::optional<std::uint32_t> MemoryReadCode(u64 a) override {
        const u64 index = (a - code_mem_start_address) / 4;
        return index < code_mem.size() ? code_mem[index] : 0x14000000;
    }
    std::uint8_t MemoryRead8(u64 a) override { return Read<std::uint8_t>(a); }
    std::uint16_t MemoryRead16(u64 a) override { return Read<std::uint16_t>(a); }
    std::uint32_t MemoryRead32(u64 a) override { return Read<std::uint32_t>(a); }
    u64 MemoryRead64(u64 a) override { return Read<u64>(a); }
    Vector MemoryRead128(u64 a) override { return Read<Vector>(a); }
    void MemoryWrite8(u64 a, std::uint8_t v) override { Write(a, v); }
    void MemoryWrite16(u64 a, std::uint16_t v) override { Write(a, v); }
    void MemoryWrite32(u64 a, std::uint32_t v) override { Write(a, v); }
    void MemoryWrite64(u64 a, u64 v) override { Write(a, v); }
    void MemoryWrite128(u64 a, Vector v) override { Write(a, v); }
    void InterpreterFallback(u64, std::size_t) override { std::puts("InterpreterFallback"); std::exit(2); }
    void CallSVC(std::uint32_t) override { std::exit(2); }
    void ExceptionRaised(u64, A64::Exception) override { std::exit(2); }
    void AddTicks(u64 ticks) override { ticks_left = ticks > ticks_left ? 0 : ticks_left - ticks; }
    u64 GetTicksRemaining() override { return ticks_left; }
    u64 GetCNTPCT() override { return 0; }
};
static int failures = 0;
#define CAPTURE(what) static_cast<void>(what)
#define REQUIRE(...) ((__VA_ARGS__) ? 0 : (std::puts("FAILED " #__VA_ARGS__), ++failures))
#define TEST_CASE(name, tags) static void test()
#include "repro.inc"
int main() { test(); if (!failures) std::puts("as Arm permits"); return failures != 0; }
"""


DYNARMIC_CASES = [
    "flags",
    "store",
    "load",
    "pseudo-random memory",
    "vector",
    "sequence",
    "stack",
    "behind the code",
    "exclusive load",
]


def run_dynarmic_test(text, folder):
    (folder / "stub.cpp").write_text("#include <cstdlib>\n" + STUB, "utf-8")
    (folder / "repro.inc").write_text(text, "utf-8")
    code, output = run("c++", "-std=c++20", "-O0", "-o", "repro", "stub.cpp", "-ldynarmic", cwd=folder)
    assert code == 0, output
    return run("./repro", cwd=folder)


@pytest.mark.skipif(DYNARMIC.available() is not None, reason=str(DYNARMIC.available()))
@pytest.mark.parametrize("name", DYNARMIC_CASES)
def test_the_dynarmic_test_is_compiled_and_passes(judge, name, tmp_path):
    text = emitted(judge, "dynarmic", PERMITTED[name])
    assert text.count("TEST_CASE") == 1
    assert run_dynarmic_test(text, tmp_path) == (0, "as Arm permits\n")


def run_script(text, folder):
    (folder / "repro.py").write_text(text, "utf-8")
    return run(sys.executable, "repro.py", cwd=folder)


def run_unicorn_program(text, folder):
    (folder / "repro.c").write_text(text, "utf-8")
    (library,) = (UNICORN / "lib").glob("libunicorn.so*")
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{UNICORN / 'include'}")
    code, output = run("cc", *flags, "-o", "repro", "repro.c", library, f"-Wl,-rpath,{library.parent}", cwd=folder)
    assert code == 0, output
    return run("./repro", cwd=folder)


def run_linux_program(text, folder, *cpu):
    (folder / "repro.c").write_text(text, "utf-8")
    flags = ("-static", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
    code, output = run(*(cross_compiler() or ()), *flags, "-o", "repro", "repro.c", cwd=folder)
    assert code == 0, output
    return run(emulator(), *cpu, "./repro", cwd=folder)


def spoiled_exit(**fields):
    return lambda outcome: msgspec.structs.replace(
        outcome, exits=(msgspec.structs.replace(outcome.exits[0], **fields),)
    )


def spoiled_register(outcome):
    (state,) = outcome.states
    return msgspec.structs.replace(outcome, states=(State.of(**{**dict(state.registers()), "x5": 1}),))


SPOILED = {
    "memory that must stay": ("store", lambda outcome: msgspec.structs.replace(outcome, memory=()), "0x20000ff8"),
    "register": ("flags", spoiled_register, "5"),
    "address": ("load abort", spoiled_exit(address=0x3000_0008), "0x30000000, expected 0x30000008"),
    "kind": ("load abort", spoiled_exit(fault=Fault.PERMISSION), "expected"),
    "kind of a store's": ("store abort", spoiled_exit(fault=Fault.TRANSLATION), "expected"),
}


def spoiled(judge, form, how):
    """A reproducer that demands what Arm does not, and what it has to complain about."""
    name, spoil, complaint = SPOILED[how]
    case = prepared(form, from_token(PERMITTED[name]))
    wrong = [msgspec.structs.replace(one, outcome=spoil(one.outcome)) for one in judge.expected(case)]
    return emit(form, case, wrong, "token"), complaint


@pytest.mark.parametrize("how", SPOILED)
def test_the_python_script_finds_what_differs(judge, how, tmp_path):
    text, complaint = spoiled(judge, "unicorn-python", how)
    finds(run_script(text, tmp_path), complaint)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
@pytest.mark.parametrize("how", SPOILED)
def test_the_unicorn_program_finds_what_differs(judge, how, tmp_path):
    text, complaint = spoiled(judge, "unicorn-c", how)
    finds(run_unicorn_program(text, tmp_path), complaint)


@pytest.mark.skipif(cross_compiler() is None, reason="no C compiler for arm64: the extra asm, or aarch64-linux-gnu-gcc")
@pytest.mark.skipif(emulator() is None, reason="no qemu-aarch64 here")
@pytest.mark.parametrize("how", SPOILED)
def test_the_linux_program_finds_what_differs(judge, how, tmp_path):
    text, complaint = spoiled(judge, "linux", how)
    finds(run_linux_program(text, tmp_path), complaint)


def finds(ran, complaint):
    code, output = ran
    assert (code, "DIFFERENT" in output, complaint in output) == (1, True, True), output


@pytest.mark.skipif(DYNARMIC.available() is not None, reason=str(DYNARMIC.available()))
@pytest.mark.parametrize("how", ["memory that must stay", "register"])
def test_the_dynarmic_test_finds_what_differs(judge, how, tmp_path):
    text, _ = spoiled(judge, "dynarmic", how)
    code, output = run_dynarmic_test(text, tmp_path)
    assert (code, "FAILED" in output) == (1, True), output


def test_a_litmus_test_of_two_threads(judge):
    """Message passing: a store-release is seen with what precedes it."""
    region = Region(address=DATA, size=DATA_REGION[1], permissions="rw")
    case = Case(
        code=(0xF900_0020, 0xC89F_FC62, 0x1400_0003, 0xC8DF_FC64, 0xF940_0025),
        states=(
            State.of(x0=1, x1=DATA, x2=1, x3=DATA + 64),
            State.of(x1=DATA, x3=DATA + 64, pc=0x1000_000C),
        ),
        regions=(DEFAULT_REGIONS[0], region),
        actions=(Schedule(turns=((0, 10), (1, 10))),),
    )
    text = emit("litmus", case, judge.expected(case), "token")
    assert text.splitlines() == [
        "AArch64 STR+LDAR",
        '"assay64 replay token"',
        "{",
        "0:X0=0x1;",
        "0:X1=x;",
        "0:X2=0x1;",
        "0:X3=y;",
        "1:X1=x;",
        "1:X3=y;",
        "uint64_t x=0x0;",
        "uint64_t y=0x0;",
        "}",
        "  P0            | P1            ;",
        "  STR X0, [X1]  | LDAR X4, [X3] ;",
        "  STLR X2, [X3] | LDR X5, [X1]  ;",
        "exists",
        "(0:X0=0x1 /\\ 0:X1=x /\\ 0:X2=0x1 /\\ 0:X3=y"
        " /\\ 1:X1=x /\\ 1:X3=y /\\ 1:X4=0x1 /\\ 1:X5=0x1 /\\ x=0x1 /\\ y=0x1)",
    ]


@pytest.mark.skipif(shutil.which("herd7") is None, reason="herd7 is not installed; opam install herdtools7")
@pytest.mark.parametrize(
    "token",
    [
        "f9400020:x1=0x20000008,mem.20000008=8877665544332211",
        "c89ffc22:x1=0x20000040,x2=-1",
        "c85f7c20.c8027c23:x1=0x20000000,x3=9",
        "c8dffc64.91000484.f9000064:x3=0x20000000",
        "f8e00022:x0=4,x1=0x20000000,x2=9",
        "c8e0fc22:x0=4,x1=0x20000000,x2=9",
    ],
    ids=["LDR", "STLR", "LDXR and STXR", "LDAR", "LDADDAL", "CASAL"],
)
def test_herd_reads_the_litmus_test_and_has_the_outcome(judge, token, tmp_path):
    case = msgspec.structs.replace(from_token(token), environment=Environment(model="apple-m2"))
    text = emit("litmus", case, judge.expected(case), token)
    head, exists, condition = text.partition("exists\n")
    for wrong, verdict in (("", "Ok"), (" /\\ 0:X1=0x3", "No")):  # the base register holds an address
        (tmp_path / "repro.litmus").write_text(f"{head}{exists}({condition.strip()}){wrong}\n", "utf-8")
        code, output = run("herd7", "repro.litmus", cwd=tmp_path)
        assert code == 0, output
        assert verdict in output.splitlines(), output


@pytest.mark.parametrize(
    ("form", "token", "reason"),
    [
        ("linux", "d40000a1:", "SVC, which is a system call on Linux"),
        ("linux", "14000000:budget=9", "it ends with budget"),
        ("linux", "d53bd040:tpidr_el0=5", "it sets tpidr_el0"),
        ("linux", "d5380000:", "Linux answers reads of ID registers itself"),
        ("dynarmic", PERMITTED["load abort"], "it ends with data_abort"),
        ("dynarmic", PERMITTED["two outcomes"], "several outcomes"),
        ("litmus", PERMITTED["flags"], "it accesses no memory"),
        ("litmus", "1e622820:", "herd has no 'fadd"),
        ("unicorn-c", "d40000a1:", "it ends with svc"),
    ],
)
def test_what_a_form_cannot_express_is_one_line(judge, form, token, reason, capsys):
    with pytest.raises(UsageError, match=r"the form [\w-]+ cannot express this case") as refused:
        emitted(judge, form, token)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert invoke(["replay", token, "--emit", form]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_several_actions_fit_no_program(judge):
    case = Case(code=(0xD503_201F,), actions=(Run(), Run()))
    for form in set(FORMS) - {"case"}:
        with pytest.raises(UsageError, match="cannot express"):
            emit(form, case, judge.expected(case), to_token(case))


def test_the_command_prints_every_form(capsys, tmp_path):
    for form in ("case", "linux", "dynarmic", "unicorn-c", "unicorn-python"):
        assert invoke(["replay", PERMITTED["flags"], "--emit", form]) == 0
        text = capsys.readouterr().out
        assert "ab020020" in text.lower()
        if form == "case":
            (tmp_path / "case.json").write_text(text, "utf-8")
            assert read_cases(tmp_path / "case.json") == (from_token(PERMITTED["flags"]),)
    assert invoke(["replay", PERMITTED["flags"], "--emit", "cobol"]) == 2
    assert "no form is called 'cobol': there are case, linux" in capsys.readouterr().err
