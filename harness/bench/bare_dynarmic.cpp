// What a case costs on Dynarmic by itself: the smallest loop over its interface that loads a whole state, runs, and
// reads the whole state back; both are handed over where they lie. No exits are told apart, no memory is compared, no
// budget is exact, no exclusive monitor opened. The JIT has the settings that the adapter gives it, so that the same
// code is generated.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/A64/config.h>
#include <dynarmic/interface/exclusive_monitor.h>

#include "assay64_backend.h"

namespace {

using Dynarmic::A64::Vector;
using General = std::array<std::uint64_t, 31>;
using Vectors = std::array<Vector, 32>;
constexpr std::uint64_t kCode = 0x0FFF0000, kCodeSize = 0x20000, kData = 0x20000000, kDataSize = 0x10000;

struct Guest final : Dynarmic::A64::UserCallbacks {
    std::vector<std::uint8_t> code = std::vector<std::uint8_t>(kCodeSize), data = std::vector<std::uint8_t>(kDataSize);
    std::uint64_t ticks = 0, until = 0;
    Dynarmic::A64::Jit* jit = nullptr;

    template <typename T>
    T Read(std::uint64_t address) {
        T value{};
        if (address - kData <= kDataSize - sizeof(T)) std::memcpy(&value, &data[address - kData], sizeof(T));
        return value;
    }
    template <typename T>
    void Write(std::uint64_t address, T value) {
        if (address - kData <= kDataSize - sizeof(T)) std::memcpy(&data[address - kData], &value, sizeof(T));
    }
    std::optional<std::uint32_t> MemoryReadCode(std::uint64_t address) override {
        if (address == until || address - kCode > kCodeSize - 4) return std::nullopt;
        std::uint32_t word;
        std::memcpy(&word, &code[address - kCode], sizeof word);
        return word;
    }
    std::uint8_t MemoryRead8(std::uint64_t a) override { return Read<std::uint8_t>(a); }
    std::uint16_t MemoryRead16(std::uint64_t a) override { return Read<std::uint16_t>(a); }
    std::uint32_t MemoryRead32(std::uint64_t a) override { return Read<std::uint32_t>(a); }
    std::uint64_t MemoryRead64(std::uint64_t a) override { return Read<std::uint64_t>(a); }
    Vector MemoryRead128(std::uint64_t a) override { return Read<Vector>(a); }
    void MemoryWrite8(std::uint64_t a, std::uint8_t v) override { Write(a, v); }
    void MemoryWrite16(std::uint64_t a, std::uint16_t v) override { Write(a, v); }
    void MemoryWrite32(std::uint64_t a, std::uint32_t v) override { Write(a, v); }
    void MemoryWrite64(std::uint64_t a, std::uint64_t v) override { Write(a, v); }
    void MemoryWrite128(std::uint64_t a, Vector v) override { Write(a, v); }
    void InterpreterFallback(std::uint64_t, std::size_t) override { jit->HaltExecution(); }
    void CallSVC(std::uint32_t) override { jit->HaltExecution(); }
    void ExceptionRaised(std::uint64_t, Dynarmic::A64::Exception) override { jit->HaltExecution(); }
    void AddTicks(std::uint64_t used) override { ticks = used < ticks ? ticks - used : 0; }
    std::uint64_t GetTicksRemaining() override { return ticks; }
    std::uint64_t GetCNTPCT() override { return 0; }
};

}  // namespace

struct bare {
    Guest guest;
    Dynarmic::ExclusiveMonitor monitor{1};
    std::uint64_t tpidr_el0 = 0, tpidrro_el0 = 0;
    std::optional<Dynarmic::A64::Jit> jit;
};

extern "C" {

ASSAY64_API bare* bare_open() {
    bare* const self = new bare;
    Dynarmic::A64::UserConfig config;
    config.callbacks = &self->guest;
    config.global_monitor = &self->monitor;
    config.tpidr_el0 = &self->tpidr_el0;
    config.tpidrro_el0 = &self->tpidrro_el0;
    config.code_cache_size = 8u << 20;
    config.check_halt_on_memory_access = true;
    config.enable_cycle_counting = true;
    config.optimizations &= ~Dynarmic::OptimizationFlag::MiscIROpt;
    config.optimizations &= ~Dynarmic::OptimizationFlag::FastDispatch;
    config.optimizations &= ~Dynarmic::OptimizationFlag::ReturnStackBuffer;
    self->jit.emplace(config);
    self->guest.jit = &*self->jit;
    return self;
}

ASSAY64_API void bare_close(bare* self) { delete self; }

ASSAY64_API int bare_run(bare* self, std::uint64_t cases, std::uint64_t width, const std::uint32_t* code,
                         const std::uint32_t* code_words, std::uint64_t code_address, const assay64_state* initial,
                         assay64_state* final_state) {
    Guest& guest = self->guest;
    Dynarmic::A64::Jit& jit = *self->jit;
    std::uint8_t* const place = &guest.code[code_address - kCode];
    std::uint32_t words = 0;
    for (std::uint64_t index = 0; index < cases; ++index) {
        const std::uint32_t* const row = code + index * width;
        if (code_words[index] != words || std::memcmp(place, row, 4 * words) != 0) {
            const std::uint32_t most = std::max(words, code_words[index]);
            words = code_words[index];
            std::memcpy(place, row, 4 * words);
            jit.InvalidateCacheRange(code_address, 4 * most);
            guest.until = code_address + 4 * words;
        }
        const assay64_state& given = initial[index];
        jit.SetRegisters(reinterpret_cast<const General&>(given.x));
        jit.SetVectors(reinterpret_cast<const Vectors&>(given.v));
        jit.SetSP(given.sp);
        jit.SetPC(given.pc);
        jit.SetPstate(static_cast<std::uint32_t>(given.pstate) & 0xF0000000u);
        jit.SetFpcr(static_cast<std::uint32_t>(given.fpcr));
        jit.SetFpsr(static_cast<std::uint32_t>(given.fpsr));
        self->tpidr_el0 = given.tpidr_el0;
        self->tpidrro_el0 = given.tpidrro_el0;
        guest.ticks = 900;
        jit.Run();
        assay64_state& found = final_state[index];
        new (&found.x) General(jit.GetRegisters());
        new (&found.v) Vectors(jit.GetVectors());
        found.sp = jit.GetSP();
        found.pc = jit.GetPC();
        found.pstate = jit.GetPstate();
        found.fpcr = jit.GetFpcr();
        found.fpsr = jit.GetFpsr();
        found.tpidr_el0 = self->tpidr_el0;
        found.tpidrro_el0 = self->tpidrro_el0;
    }
    return 0;
}

}  // extern "C"
