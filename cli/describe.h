// Descriptions: one queue at length, for people (as `kubectl describe`) and as JSON.
//
// Pure functions of a view and the time; any thread.
#pragma once

#include <string>

#include "cli/view.h"

namespace pannier::cli {

std::string description_text(const View& view, const QueueView& queue, Timestamp now);
std::string description_json(const View& view, const QueueView& queue);

}  // namespace pannier::cli
