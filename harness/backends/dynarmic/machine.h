// The machine behind the C ABI: shared memory, the exclusive monitor and the vCPUs.
#pragma once

#include <mutex>
#include <string>

#include "core.h"

struct assay64_machine {
    explicit assay64_machine(const adapter::Settings& settings);
    ~assay64_machine();

    // Remember what went wrong and hand back the status.
    int Fail(int status, std::string text) {
        const std::lock_guard lock(error_mutex);
        error = std::move(text);
        return status;
    }

    adapter::Shared shared;
    std::string error = "no error";

private:
    std::mutex error_mutex;
    void* monitor_storage;
};

namespace adapter {

// Defined in batch.cpp.
int RunBatch(assay64_machine& machine, assay64_batch& batch);

}  // namespace adapter
