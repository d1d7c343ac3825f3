// One vCPU: a Dynarmic JIT, its callbacks, and the loop that makes its runs exact in budget, PC and exit.
// It knows nothing of the C ABI's machine or of batches.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <unordered_set>

#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/A64/config.h>
#include <dynarmic/interface/exclusive_monitor.h>

#include "memory.h"

namespace adapter {

struct Settings {
    std::uint64_t vcpus = 1;
    std::uint64_t code_cache_size = 8u << 20;  // under 8 MiB it crashes: translation needs 1 MiB of it free at any time
    bool fast_dispatch = false;                // makes forgetting translations cost a millisecond
    bool return_stack_buffer = false;          // its jumps skip the check of the budget
    bool optimiser = true;                     // block linking and the passes over the intermediate code
    std::uint64_t dc_zva_size = 64;
    std::uint64_t cache_line_size = 64;
    std::uint64_t exclusives_granule = 64;
};

class Core;

// What the vCPUs of a machine have in common.
struct Shared {
    Memory memory;
    std::unordered_set<std::uint64_t> breakpoints;
    Dynarmic::ExclusiveMonitor* monitor = nullptr;
    std::vector<std::unique_ptr<Core>> cores;
};

// The part of memory of which a batch wants to know the pages that were written.
struct DirtyPages {
    const std::uint8_t* base = nullptr;
    std::uint64_t size = 0;
    std::vector<std::uint8_t> pages;
    bool any = false;  // one of them
};

class Core final : public Dynarmic::A64::UserCallbacks {
public:
    Core(Shared& shared, std::size_t index, const Settings& settings);

    void SetState(const assay64_state& state);
    void GetState(assay64_state& state) const;

    // False when the JIT did something that this adapter does not know.
    bool Run(std::uint64_t budget, std::uint64_t until, assay64_exit& exit);
    bool Step(assay64_exit& exit);

    void Invalidate(std::uint64_t address, std::uint64_t size);
    void RequestStop();

    DirtyPages dirty;

    std::optional<std::uint32_t> MemoryReadCode(std::uint64_t address) override;
    std::uint8_t MemoryRead8(std::uint64_t address) override { return Read<std::uint8_t>(address); }
    std::uint16_t MemoryRead16(std::uint64_t address) override { return Read<std::uint16_t>(address); }
    std::uint32_t MemoryRead32(std::uint64_t address) override { return Read<std::uint32_t>(address); }
    std::uint64_t MemoryRead64(std::uint64_t address) override { return Read<std::uint64_t>(address); }
    Dynarmic::A64::Vector MemoryRead128(std::uint64_t address) override { return Read<Dynarmic::A64::Vector>(address); }
    void MemoryWrite8(std::uint64_t address, std::uint8_t value) override { Write(address, value); }
    void MemoryWrite16(std::uint64_t address, std::uint16_t value) override { Write(address, value); }
    void MemoryWrite32(std::uint64_t address, std::uint32_t value) override { Write(address, value); }
    void MemoryWrite64(std::uint64_t address, std::uint64_t value) override { Write(address, value); }
    void MemoryWrite128(std::uint64_t address, Dynarmic::A64::Vector value) override { Write(address, value); }
    bool MemoryWriteExclusive8(std::uint64_t a, std::uint8_t v, std::uint8_t e) override {
        return WriteExclusive(a, v, e);
    }
    bool MemoryWriteExclusive16(std::uint64_t a, std::uint16_t v, std::uint16_t e) override {
        return WriteExclusive(a, v, e);
    }
    bool MemoryWriteExclusive32(std::uint64_t a, std::uint32_t v, std::uint32_t e) override {
        return WriteExclusive(a, v, e);
    }
    bool MemoryWriteExclusive64(std::uint64_t a, std::uint64_t v, std::uint64_t e) override {
        return WriteExclusive(a, v, e);
    }
    bool MemoryWriteExclusive128(std::uint64_t a, Dynarmic::A64::Vector v, Dynarmic::A64::Vector e) override {
        return WriteExclusive(a, v, e);
    }
    void InterpreterFallback(std::uint64_t pc, std::size_t count) override;
    void CallSVC(std::uint32_t immediate) override;
    void ExceptionRaised(std::uint64_t pc, Dynarmic::A64::Exception exception) override;
    void InstructionCacheOperationRaised(Dynarmic::A64::InstructionCacheOperation operation,
                                         std::uint64_t value) override;
    void AddTicks(std::uint64_t ticks) override { ticks_used_ += ticks; }
    std::uint64_t GetTicksRemaining() override { return ticks_given_ > ticks_used_ ? ticks_given_ - ticks_used_ : 0; }
    std::uint64_t GetCNTPCT() override { return counter_ + ticks_used_; }

private:
    template <typename T>
    T Read(std::uint64_t address);
    template <typename T>
    void Write(std::uint64_t address, T value);
    template <typename T>
    bool WriteExclusive(std::uint64_t address, T value, T expected);
    template <typename T>
    std::uint8_t* Access(std::uint64_t address, std::uint32_t access);
    void MarkDirty(const std::uint8_t* host, std::size_t size);

    void SetUntil(std::uint64_t until);
    void Begin(assay64_exit& exit);
    bool CannotFetch(std::uint64_t pc, assay64_exit& exit);
    bool Execute(bool single, std::uint64_t ticks, assay64_exit& exit, std::uint64_t& executed);
    void Leave(std::uint32_t kind, std::uint64_t pc);
    void NoExecute(std::uint64_t pc);

    Shared& shared_;
    const std::size_t index_;
    View view_;
    std::uint64_t tpidr_el0_ = 0;
    std::uint64_t tpidrro_el0_ = 0;
    std::atomic<std::uint64_t> event_register_{0};  // another vCPU's SEV sets it
    std::uint64_t counter_ = 0;
    std::uint64_t ticks_given_ = 0;
    std::uint64_t ticks_used_ = 0;
    std::uint64_t until_ = ASSAY64_NEVER;
    std::uint64_t cache_line_size_;
    // Where the last untranslatable address was met, with all 64 bits of the PC.
    std::uint64_t refused_pc_ = ASSAY64_NEVER;
    std::uint64_t last_cut_ = ASSAY64_NEVER;
    // Whether memory was read or written since the exclusive monitor was open: a mark in it needs an access.
    bool accessed_ = true;
    bool left_ = false;
    bool cut_ = false;
    std::uint64_t left_pc_ = 0;
    assay64_exit pending_{};
    std::atomic<bool> stop_{false};
    std::optional<Dynarmic::A64::Jit> jit_;
};

}  // namespace adapter
