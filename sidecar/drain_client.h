// ask_to_drain: `pannier-agent drain`: asks the agent that listens on a control socket to drain.
//
// Blocks for `limit` at most, and does not wait for the drain itself. Any thread, without state.
// Errors say what to do: closed (nobody listens there), timed_out, access_denied (the answer was
// no), bad_argument (the path).
#pragma once

#include <chrono>
#include <string>

#include "common/result.h"

namespace pannier {

Result<void> ask_to_drain(const std::string& socket_path,
                          std::chrono::milliseconds limit = std::chrono::seconds{5});

}  // namespace pannier
