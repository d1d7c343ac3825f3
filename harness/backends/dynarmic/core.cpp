// See core.h. What each callback's arguments and the JIT's PC mean was measured on Dynarmic 6.4.5; the tests in
// suites/selftest/test_dynarmic.py hold every such fact.
#include "core.h"

#include <new>

namespace adapter {

using Dynarmic::HaltReason;
using Dynarmic::A64::Exception;
using Dynarmic::A64::InstructionCacheOperation;

namespace {

constexpr HaltReason kEvent = HaltReason::UserDefined1;
constexpr HaltReason kStop = HaltReason::UserDefined2;

// A block longer than this is cut, so that one that begins with this much of the budget left cannot overshoot it, and
// so that no block outgrows the room that the code cache keeps free.
constexpr std::uint64_t kLongestBlock = 64;

// Linked blocks look at nothing but their budget: a stop request waits for the end of a slice.
constexpr std::uint64_t kSlice = std::uint64_t{1} << 20;

// Dynarmic keeps 56 bits of an address that it executes and sign-extends them.
constexpr std::uint64_t Kept(std::uint64_t pc) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(pc << 8) >> 8);
}

// Dynarmic's register files lie in memory as those of struct assay64_state do.
using General = std::array<std::uint64_t, 31>;
using Vectors = std::array<Dynarmic::A64::Vector, 32>;
static_assert(sizeof(General) == sizeof(assay64_state::x) && sizeof(Vectors) == sizeof(assay64_state::v));

std::uint32_t Log2Words(std::uint64_t bytes) {
    std::uint32_t log = 0;
    while ((std::uint64_t{4} << log) < bytes) ++log;
    return log;
}

}  // namespace

Core::Core(Shared& shared, std::size_t index, const Settings& settings)
    : shared_(shared), index_(index), view_(shared.memory), cache_line_size_(settings.cache_line_size) {
    Dynarmic::A64::UserConfig config;
    config.callbacks = this;
    config.processor_id = index;
    config.global_monitor = shared.monitor;  // without one an exclusive instruction aborts the process
    config.tpidr_el0 = &tpidr_el0_;
    config.tpidrro_el0 = &tpidrro_el0_;
    config.code_cache_size = settings.code_cache_size;
    config.check_halt_on_memory_access = true;  // makes aborts precise
    config.enable_cycle_counting = true;
    config.dczid_el0 = Log2Words(settings.dc_zva_size);
    const std::uint32_t line = Log2Words(settings.cache_line_size);
    config.ctr_el0 = 0x8000C000u | line << 24 | Log2Words(settings.exclusives_granule) << 20 | line << 16 | line;
    // Merging neighbouring words that it cannot decode reads on through the zeros behind the code, for milliseconds.
    config.optimizations &= ~Dynarmic::OptimizationFlag::MiscIROpt;
    if (!settings.fast_dispatch) config.optimizations &= ~Dynarmic::OptimizationFlag::FastDispatch;
    if (!settings.return_stack_buffer) config.optimizations &= ~Dynarmic::OptimizationFlag::ReturnStackBuffer;
    if (!settings.optimiser) config.optimizations = Dynarmic::no_optimizations;
    jit_.emplace(config);
}

void Core::SetState(const assay64_state& state) {
    jit_->SetRegisters(reinterpret_cast<const General&>(state.x));
    jit_->SetVectors(reinterpret_cast<const Vectors&>(state.v));
    jit_->SetSP(state.sp);
    jit_->SetPC(state.pc);
    jit_->SetPstate(static_cast<std::uint32_t>(state.pstate) & 0xF0000000u);
    jit_->SetFpcr(static_cast<std::uint32_t>(state.fpcr));
    jit_->SetFpsr(static_cast<std::uint32_t>(state.fpsr));
    tpidr_el0_ = state.tpidr_el0;
    tpidrro_el0_ = state.tpidrro_el0;
    // Atomic exchanges would cost as much as the rest: no vCPU runs while states are loaded.
    event_register_.store(state.event_register & 1, std::memory_order_relaxed);
    if (stop_.load(std::memory_order_relaxed)) stop_ = false;
    if (accessed_) {
        jit_->ClearExclusiveState();
        shared_.monitor->ClearProcessor(index_);
        accessed_ = false;
    }
    counter_ = 0;
}

void Core::GetState(assay64_state& state) const {
    std::memset(state.keys, 0, sizeof state.keys);
    std::memset(state.reserved, 0, sizeof state.reserved);
    // Built in their place: the functions return by value.
    new (&state.x) General(jit_->GetRegisters());
    new (&state.v) Vectors(jit_->GetVectors());
    state.sp = jit_->GetSP();
    state.pc = jit_->GetPC();
    state.pstate = jit_->GetPstate() & 0xF0000000u;
    state.fpcr = jit_->GetFpcr();
    state.fpsr = jit_->GetFpsr();
    state.tpidr_el0 = tpidr_el0_;
    state.tpidrro_el0 = tpidrro_el0_;
    state.event_register = event_register_.load(std::memory_order_relaxed);
}

void Core::Invalidate(std::uint64_t address, std::uint64_t size) {
    if (size != 0) jit_->InvalidateCacheRange(address, size);
}

void Core::RequestStop() {
    stop_ = true;
    jit_->HaltExecution(kStop);
}

void Core::SetUntil(std::uint64_t until) {
    if (until == until_) return;
    for (const std::uint64_t address : {until_, until})
        if (address != ASSAY64_NEVER) Invalidate(address & ~std::uint64_t{3}, 4);
    until_ = until;
}

void Core::Begin(assay64_exit& exit) {
    std::memset(&exit, 0, sizeof exit);
    last_cut_ = ASSAY64_NEVER;
}

bool Core::CannotFetch(std::uint64_t pc, assay64_exit& exit) {
    Fault fault{ASSAY64_FAULT_TRANSLATION, pc};
    std::uint32_t word = 0;
    if (pc % 4 != 0) {
        exit.kind = ASSAY64_EXIT_PC_ALIGNMENT;
    } else if (pc != Kept(pc) || !view_.Fetch(pc, word, fault)) {
        exit.kind = ASSAY64_EXIT_INSTRUCTION_ABORT;
        exit.access = ASSAY64_ACCESS_FETCH;
        exit.fault = fault.fault;
        exit.address = pc;
    } else if (!shared_.breakpoints.empty() && shared_.breakpoints.count(pc)) {
        exit.kind = ASSAY64_EXIT_BREAKPOINT;
    } else {
        return false;
    }
    return true;
}

bool Core::Run(std::uint64_t budget, std::uint64_t until, assay64_exit& exit) {
    Begin(exit);
    SetUntil(until);
    std::uint64_t executed = 0;
    // Code without branches ends with its first slice, before the JIT has to find out that nothing is to be fetched.
    std::uint64_t slice = std::clamp<std::uint64_t>((until - jit_->GetPC()) / 4, 1, kSlice);
    while (true) {
        const std::uint64_t pc = jit_->GetPC();
        if (pc == until) {
            exit.kind = ASSAY64_EXIT_UNTIL;
        } else if (executed >= budget) {
            exit.kind = ASSAY64_EXIT_BUDGET;
        } else if (stop_.load(std::memory_order_relaxed) && stop_.exchange(false)) {
            exit.kind = ASSAY64_EXIT_STOPPED;
        } else if (!CannotFetch(pc, exit)) {
            const std::uint64_t left = budget - executed;
            const bool single = left <= kLongestBlock;
            if (!Execute(single, single ? 1 : std::min(left - kLongestBlock, slice), exit, executed)) return false;
            slice = kSlice;
        }
        if (exit.kind != ASSAY64_EXIT_NONE) break;
    }
    exit.executed = executed;
    return true;
}

bool Core::Step(assay64_exit& exit) {
    Begin(exit);
    SetUntil(ASSAY64_NEVER);
    std::uint64_t executed = 0;
    while (exit.kind == ASSAY64_EXIT_NONE) {
        if (executed != 0) {
            exit.kind = ASSAY64_EXIT_STEP;
        } else if (!CannotFetch(jit_->GetPC(), exit)) {
            if (!Execute(true, 1, exit, executed)) return false;
        }
    }
    exit.executed = executed;
    return true;
}

bool Core::Execute(bool single, std::uint64_t ticks, assay64_exit& exit, std::uint64_t& executed) {
    left_ = cut_ = false;
    ticks_given_ = ticks;
    ticks_used_ = 0;
    HaltReason reason = single ? jit_->Step() : jit_->Run();
    counter_ += ticks_used_;
    const bool stepped = single && Dynarmic::Has(reason, HaltReason::Step);
    ticks_given_ = 0;
    // The block's count includes the instruction that left, and the place where nothing could be fetched.
    const std::uint64_t completed = single ? stepped && !left_ : ticks_used_ - (left_ && ticks_used_ != 0);
    ticks_used_ = 0;
    if (Dynarmic::Has(reason, HaltReason::MemoryAbort)) {
        // Blocks that abort are not counted.
        if (!single) executed = ASSAY64_EXECUTED_UNKNOWN;
        exit = pending_;
        return left_;
    }
    executed += completed;
    if (!left_) return true;
    jit_->SetPC(left_pc_);
    if (cut_) {
        if (completed == 0 && last_cut_ == left_pc_) return false;
        if (completed == 0) Invalidate(left_pc_, 4);
        last_cut_ = completed == 0 ? left_pc_ : ASSAY64_NEVER;
    } else if (pending_.kind != ASSAY64_EXIT_NONE) {
        if (pending_.kind == ASSAY64_EXIT_WAIT) ++executed;
        // So that the next visit translates anew and shows all bits of the PC.
        if (pending_.kind == ASSAY64_EXIT_PC_ALIGNMENT || pending_.kind == ASSAY64_EXIT_INSTRUCTION_ABORT)
            Invalidate(Kept(left_pc_) & ~std::uint64_t{3}, 8);
        exit = pending_;
    }
    return true;
}

void Core::Leave(std::uint32_t kind, std::uint64_t pc) {
    if (left_) return;
    left_ = true;
    left_pc_ = pc;
    pending_ = assay64_exit{};
    pending_.kind = kind;
    jit_->HaltExecution(kEvent);
}

std::optional<std::uint32_t> Core::MemoryReadCode(std::uint64_t address) {
    const std::uint64_t begin = jit_->GetPC();  // while it translates, the JIT's PC is the block's first address
    const bool first = Kept(begin) == address;
    const std::uint64_t pc = first ? begin : address;
    std::uint32_t word = 0;
    assay64_exit ignored{};
    Fault fault{};
    if (pc == until_ || CannotFetch(pc, ignored) || (!first && address - Kept(begin) >= 4 * kLongestBlock) ||
        !view_.Fetch(pc, word, fault)) {
        refused_pc_ = pc;
        return std::nullopt;
    }
    return word;
}

void Core::InterpreterFallback(std::uint64_t pc, std::size_t) { Leave(ASSAY64_EXIT_DECLINED, pc); }

void Core::CallSVC(std::uint32_t immediate) {
    // The JIT has set its PC to the next instruction before the call.
    Leave(ASSAY64_EXIT_SVC, jit_->GetPC());
    pending_.immediate = immediate;
}

void Core::NoExecute(std::uint64_t pc) {
    if (Kept(refused_pc_) == pc) pc = refused_pc_;
    if (pc == until_) return Leave(ASSAY64_EXIT_NONE, pc);
    assay64_exit why{};
    const bool refused = CannotFetch(pc, why);
    Leave(why.kind, pc);
    if (refused) pending_ = why;
    cut_ = !refused;
}

void Core::ExceptionRaised(std::uint64_t pc, Exception exception) {
    switch (exception) {
    case Exception::UnallocatedEncoding:
    case Exception::ReservedValue:
        return Leave(ASSAY64_EXIT_UNDEFINED, pc);
    case Exception::UnpredictableInstruction:
        return Leave(ASSAY64_EXIT_UNPREDICTABLE, pc);
    case Exception::Breakpoint: {
        std::uint32_t word = 0;
        Fault fault{};
        view_.Fetch(pc, word, fault);
        Leave(ASSAY64_EXIT_BRK, pc);
        pending_.immediate = word >> 5 & 0xFFFF;
        return;
    }
    case Exception::WaitForEvent:
        if (event_register_ == 0) return Leave(ASSAY64_EXIT_WAIT, pc + 4);
        event_register_ = 0;
        return;
    case Exception::WaitForInterrupt:
        return Leave(ASSAY64_EXIT_WAIT, pc + 4);
    case Exception::SendEvent:
        for (const auto& core : shared_.cores) core->event_register_ = 1;
        return;
    case Exception::SendEventLocal:
        event_register_ = 1;
        return;
    case Exception::Yield:
        return;
    case Exception::NoExecuteFault:
        return NoExecute(pc);
    }
    Leave(ASSAY64_EXIT_DECLINED, pc);
}

void Core::InstructionCacheOperationRaised(InstructionCacheOperation operation, std::uint64_t value) {
    for (const auto& core : shared_.cores) {
        if (operation == InstructionCacheOperation::InvalidateByVAToPoU)
            core->Invalidate(value & ~(cache_line_size_ - 1), cache_line_size_);
        else
            core->jit_->ClearCache();
    }
}

// The host address for an access; null when the access leaves (left_) or is split over two host pages.
template <typename T>
std::uint8_t* Core::Access(std::uint64_t address, std::uint32_t access) {
    accessed_ = true;
    Fault fault;
    std::uint8_t* const host = view_.Locate(address, sizeof(T), access, fault);
    std::uint64_t where = 0;
    std::uint32_t kind = ASSAY64_EXIT_DATA_ABORT;
    if (fault.fault != ASSAY64_FAULT_UNKNOWN) {
        where = fault.address;
    } else if (!shared_.memory.watchpoints.empty() && view_.Watched(address, sizeof(T), access, where)) {
        kind = ASSAY64_EXIT_WATCHPOINT;
    } else {
        return host;
    }
    if (!left_) {
        left_ = true;
        pending_ = assay64_exit{};
        pending_.kind = kind;
        pending_.access = access == ASSAY64_WRITE ? ASSAY64_ACCESS_WRITE : ASSAY64_ACCESS_READ;
        pending_.fault = fault.fault;
        pending_.address = where;
    }
    jit_->HaltExecution(HaltReason::MemoryAbort);
    return nullptr;
}

void Core::MarkDirty(const std::uint8_t* host, std::size_t size) {
    const std::uint64_t offset = static_cast<std::uint64_t>(host - dirty.base);
    if (offset >= dirty.size) return;
    dirty.any = true;
    dirty.pages[offset >> kPageBits] = 1;
    dirty.pages[std::min(offset + size - 1, dirty.size - 1) >> kPageBits] = 1;
}

template <typename T>
T Core::Read(std::uint64_t address) {
    T value{};
    if (const std::uint8_t* host = Access<T>(address, ASSAY64_READ)) {
        std::memcpy(&value, host, sizeof value);
    } else if (!left_) {
        view_.Split(address, sizeof value, [&](std::uint64_t offset, const std::uint8_t* byte) {
            reinterpret_cast<std::uint8_t*>(&value)[offset] = *byte;
        });
    }
    return value;
}

template <typename T>
void Core::Write(std::uint64_t address, T value) {
    if (std::uint8_t* host = Access<T>(address, ASSAY64_WRITE)) {
        std::memcpy(host, &value, sizeof value);
        MarkDirty(host, sizeof value);
    } else if (!left_) {
        view_.Split(address, sizeof value, [&](std::uint64_t offset, std::uint8_t* byte) {
            *byte = reinterpret_cast<const std::uint8_t*>(&value)[offset];
            MarkDirty(byte, 1);
        });
    }
}

template <typename T>
bool Core::WriteExclusive(std::uint64_t address, T value, T expected) {
    std::uint8_t* const host = Access<T>(address, ASSAY64_WRITE);
    if (left_) return false;
    if (!host) {  // split over two pages: no host instruction does this at once
        if (std::memcmp(std::array<T, 1>{Read<T>(address)}.data(), &expected, sizeof expected) != 0) return false;
        Write(address, value);
        return true;
    }
    MarkDirty(host, sizeof value);
    if constexpr (sizeof(T) <= 8) {
        return __sync_bool_compare_and_swap(reinterpret_cast<T*>(host), expected, value);
    } else if (reinterpret_cast<std::uintptr_t>(host) % 16 == 0) {
        __extension__ typedef unsigned __int128 Wide;
        Wide from, to;
        std::memcpy(&from, &expected, sizeof from);
        std::memcpy(&to, &value, sizeof to);
        return __sync_bool_compare_and_swap(reinterpret_cast<Wide*>(host), from, to);
    } else {  // the host's 16-byte exchange faults here
        if (std::memcmp(host, &expected, sizeof expected) != 0) return false;
        std::memcpy(host, &value, sizeof value);
        return true;
    }
}

}  // namespace adapter
