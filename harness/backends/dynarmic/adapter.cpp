// The functions of assay64_backend.h over Dynarmic. Arguments are checked here; everything behind trusts them.
// No exception leaves: an emulator that fails to start is an error with a text.
#include <charconv>
#include <cstdlib>
#include <exception>
#include <new>
#include <sstream>

#include "machine.h"

#ifndef ASSAY64_DYNARMIC_VERSION
#define ASSAY64_DYNARMIC_VERSION "unknown"
#endif

using adapter::Core;
using adapter::kPageMask;
using adapter::Settings;

namespace {

constexpr std::uint32_t kPermissions = ASSAY64_READ | ASSAY64_WRITE | ASSAY64_EXECUTE;
constexpr std::uint64_t kMostVcpus = 8;

// The features were found by executing one instruction of each: suites/selftest/test_dynarmic.py does it again.
constexpr const char* kCapabilities = R"({
  "name": "dynarmic",
  "version": ")" ASSAY64_DYNARMIC_VERSION R"(",
  "description": "Dynarmic, a dynamic recompiler for ARM",
  "features": ["FEAT_AES", "FEAT_PMULL", "FEAT_SHA1", "FEAT_SHA256", "FEAT_CRC32", "FEAT_SHA512", "FEAT_SHA3",
               "FEAT_SM3", "FEAT_SM4", "FEAT_DotProd", "FEAT_FCMA", "FEAT_FlagM2", "FEAT_LOR", "FEAT_DPB"],
  "exception_levels": [0],
  "vcpus": 8,
  "page_size": 4096,
  "actions": ["run", "step", "write", "protect", "map", "unmap", "alias", "notify_code", "set_breakpoint",
              "clear_breakpoint", "set_watchpoint", "clear_watchpoint", "stop_request", "schedule", "free_run"],
  "exact_budget": true,
  "exclusive_monitor": "value",
  "distinguishes_undefined": false,
  "reports_fault_kind": true,
  "code_cache_size": 8388608,
  "batch": true,
  "in_place": true,
  "deterministic": true,
  "fixed": {"cpacr_el1": 3145728, "cntkctl_el1": 3, "tcr_el1": 0, "top_byte_ignore": false, "dc_zva_size": 64}
})";

bool ParseSettings(const char* config, Settings& settings, std::string& error) {
    struct Key {
        const char* name;
        std::uint64_t least;
        std::uint64_t most;
        std::uint64_t* value;
    };
    std::uint64_t exception_level = 0, fast_dispatch = 0, return_stack_buffer = 0, optimiser = 1, sctlr_el1 = 0;
    const Key keys[] = {
        {"vcpus", 1, kMostVcpus, &settings.vcpus},
        {"exception_level", 0, 0, &exception_level},
        {"code_cache_size", 8u << 20, 128u << 20, &settings.code_cache_size},
        {"fast_dispatch", 0, 1, &fast_dispatch},
        {"return_stack_buffer", 0, 1, &return_stack_buffer},
        {"optimiser", 0, 1, &optimiser},
        {"sctlr_el1", 0, ~std::uint64_t{0}, &sctlr_el1},
        {"dc_zva_size", 64, 64, &settings.dc_zva_size},
        {"cache_line_size", 16, 2048, &settings.cache_line_size},
        {"exclusives_granule", 16, 2048, &settings.exclusives_granule},
    };
    std::istringstream lines(config ? config : "");
    for (std::string line; std::getline(lines, line);) {
        const std::size_t equals = line.find(" = ");
        if (equals == std::string::npos) continue;
        for (const Key& key : keys) {
            if (line.compare(0, equals, key.name) != 0) continue;
            const char* const begin = line.data() + equals + 3;
            const char* const end = line.data() + line.size();
            const auto [rest, failed] = std::from_chars(begin, end, *key.value);
            if (failed != std::errc{} || rest != end || *key.value < key.least || *key.value > key.most) {
                error = "dynarmic has no " + line;
                return false;
            }
        }
    }
    if (sctlr_el1 & 1u << 1) {
        error = "dynarmic never checks the alignment of ordinary accesses, which SCTLR_EL1.A = 1 asks for";
        return false;
    }
    settings.fast_dispatch = fast_dispatch != 0;
    settings.return_stack_buffer = return_stack_buffer != 0;
    settings.optimiser = optimiser != 0;
    return true;
}

void WriteError(const std::string& text, char* error, std::size_t error_size) {
    if (error && error_size) error[text.copy(error, error_size - 1)] = 0;
}

bool WholePages(std::uint64_t address, std::uint64_t size) {
    return size != 0 && (address & kPageMask) == 0 && (size & kPageMask) == 0 && address + (size - 1) >= address;
}

void InvalidateEverywhere(assay64_machine* machine, std::uint64_t address, std::uint64_t size) {
    for (const auto& core : machine->shared.cores) core->Invalidate(address, size);
}

Core* FindCore(assay64_machine* machine, std::uint32_t vcpu) {
    if (vcpu < machine->shared.cores.size()) return machine->shared.cores[vcpu].get();
    machine->Fail(ASSAY64_ERROR, "there is no vCPU " + std::to_string(vcpu));
    return nullptr;
}

int CheckState(assay64_machine* machine, const assay64_state* state) {
    if (state && state->size == sizeof(assay64_state) && state->version == ASSAY64_VERSION) return ASSAY64_OK;
    return machine->Fail(ASSAY64_ERROR, "struct assay64_state has another size or version");
}

constexpr const char* kBroken = "Dynarmic returned without having executed anything";
constexpr const char* kNotPages = "not whole pages of 4096 bytes";

}  // namespace

assay64_machine::assay64_machine(const Settings& settings)
    // Zeroed: not every version is known to clear the monitor's lock, and a set one hangs the first exclusive.
    : monitor_storage(std::calloc(1, sizeof(Dynarmic::ExclusiveMonitor))) {
    if (!monitor_storage) throw std::bad_alloc();
    shared.monitor = new (monitor_storage) Dynarmic::ExclusiveMonitor(settings.vcpus);
    for (std::size_t index = 0; index < settings.vcpus; ++index)
        shared.cores.push_back(std::make_unique<Core>(shared, index, settings));
}

assay64_machine::~assay64_machine() {
    shared.cores.clear();
    shared.monitor->~ExclusiveMonitor();
    std::free(monitor_storage);
}

extern "C" {

const struct assay64_info* assay64_info(void) {
    static const struct assay64_info info = ASSAY64_INFO;
    return &info;
}

const char* assay64_describe(void) { return kCapabilities; }

int assay64_create(const char* config, assay64_machine** machine, char* error, size_t error_size) {
    Settings settings;
    std::string text;
    if (!ParseSettings(config, settings, text)) {
        WriteError(text, error, error_size);
        return ASSAY64_UNSUPPORTED;
    }
    try {
        *machine = new assay64_machine(settings);
        return ASSAY64_OK;
    } catch (const std::exception& exception) {
        WriteError(std::string("Dynarmic could not start: ") + exception.what(), error, error_size);
        return ASSAY64_ERROR;
    }
}

void assay64_destroy(assay64_machine* machine) { delete machine; }

const char* assay64_last_error(assay64_machine* machine) { return machine->error.c_str(); }

int assay64_map(assay64_machine* machine, uint64_t address, void* host, uint64_t size, uint32_t permissions,
                uint32_t flags) {
    if (!WholePages(address, size)) return machine->Fail(ASSAY64_ERROR, kNotPages);
    if (permissions & ~kPermissions) return machine->Fail(ASSAY64_ERROR, "unknown permissions");
    if (flags & ~std::uint32_t{ASSAY64_MAP_DEVICE})
        return machine->Fail(ASSAY64_UNSUPPORTED, "Dynarmic has no guarded pages (FEAT_BTI)");
    const bool device = flags & ASSAY64_MAP_DEVICE;
    machine->shared.memory.Map(address, static_cast<std::uint8_t*>(host), size, permissions, device);
    InvalidateEverywhere(machine, address, size);
    return ASSAY64_OK;
}

int assay64_protect(assay64_machine* machine, uint64_t address, uint64_t size, uint32_t permissions) {
    if (!WholePages(address, size)) return machine->Fail(ASSAY64_ERROR, kNotPages);
    if (permissions & ~kPermissions) return machine->Fail(ASSAY64_ERROR, "unknown permissions");
    if (!machine->shared.memory.Protect(address, size, permissions))
        return machine->Fail(ASSAY64_ERROR, "a page of the range is not mapped");
    InvalidateEverywhere(machine, address, size);
    return ASSAY64_OK;
}

int assay64_unmap(assay64_machine* machine, uint64_t address, uint64_t size) {
    if (!WholePages(address, size)) return machine->Fail(ASSAY64_ERROR, kNotPages);
    machine->shared.memory.Unmap(address, size);
    InvalidateEverywhere(machine, address, size);
    return ASSAY64_OK;
}

int assay64_set_state(assay64_machine* machine, uint32_t vcpu, const assay64_state* state) {
    Core* const core = FindCore(machine, vcpu);
    if (!core || CheckState(machine, state) != ASSAY64_OK) return ASSAY64_ERROR;
    core->SetState(*state);
    return ASSAY64_OK;
}

int assay64_get_state(assay64_machine* machine, uint32_t vcpu, assay64_state* state) {
    const Core* const core = FindCore(machine, vcpu);
    if (!core || CheckState(machine, state) != ASSAY64_OK) return ASSAY64_ERROR;
    core->GetState(*state);
    return ASSAY64_OK;
}

int assay64_run(assay64_machine* machine, uint32_t vcpu, uint64_t budget, uint64_t until, assay64_exit* exit) {
    Core* const core = FindCore(machine, vcpu);
    if (!core) return ASSAY64_ERROR;
    return core->Run(budget, until, *exit) ? ASSAY64_OK : machine->Fail(ASSAY64_ERROR, kBroken);
}

int assay64_step(assay64_machine* machine, uint32_t vcpu, assay64_exit* exit) {
    Core* const core = FindCore(machine, vcpu);
    if (!core) return ASSAY64_ERROR;
    return core->Step(*exit) ? ASSAY64_OK : machine->Fail(ASSAY64_ERROR, kBroken);
}

int assay64_notify_code(assay64_machine* machine, uint64_t address, uint64_t size) {
    InvalidateEverywhere(machine, address, size);
    return ASSAY64_OK;
}

int assay64_set_breakpoint(assay64_machine* machine, uint64_t address) {
    machine->shared.breakpoints.insert(address);
    InvalidateEverywhere(machine, address, 4);
    return ASSAY64_OK;
}

int assay64_clear_breakpoint(assay64_machine* machine, uint64_t address) {
    if (machine->shared.breakpoints.erase(address) == 0)
        return machine->Fail(ASSAY64_ERROR, "there is no breakpoint there");
    InvalidateEverywhere(machine, address, 4);
    return ASSAY64_OK;
}

int assay64_set_watchpoint(assay64_machine* machine, uint64_t address, uint64_t size, uint32_t access) {
    if (size == 0 || access == 0 || access & ~std::uint32_t{ASSAY64_READ | ASSAY64_WRITE})
        return machine->Fail(ASSAY64_ERROR, "a watchpoint covers at least one byte, for reading, writing or both");
    machine->shared.memory.watchpoints.push_back({address, size, access});
    return ASSAY64_OK;
}

int assay64_clear_watchpoint(assay64_machine* machine, uint64_t address) {
    auto& watchpoints = machine->shared.memory.watchpoints;
    const auto gone = std::remove_if(watchpoints.begin(), watchpoints.end(),
                                     [&](const adapter::Watchpoint& watch) { return watch.address == address; });
    if (gone == watchpoints.end()) return machine->Fail(ASSAY64_ERROR, "there is no watchpoint there");
    watchpoints.erase(gone, watchpoints.end());
    return ASSAY64_OK;
}

int assay64_request_stop(assay64_machine* machine, uint32_t vcpu) {
    Core* const core = FindCore(machine, vcpu);
    if (!core) return ASSAY64_ERROR;
    core->RequestStop();
    return ASSAY64_OK;
}

int assay64_run_batch(assay64_machine* machine, assay64_batch* batch) {
    if (batch->size != sizeof(assay64_batch) || batch->version != ASSAY64_VERSION)
        return machine->Fail(ASSAY64_ERROR, "struct assay64_batch has another size or version");
    return adapter::RunBatch(*machine, *batch);
}

}  // extern "C"
