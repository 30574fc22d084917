// How queues and agents are shown: the tables and the JSON of `get`.
//
// Pure functions of a view and the time; any thread. The JSON's fields are docs/pannierctl.md's,
// and are only ever added to.
#pragma once

#include <string>
#include <vector>

#include "cli/view.h"

namespace pannier::cli {

std::string queues_table(const std::vector<QueueView>& queues, const Options& options,
                         Timestamp now);
std::string queues_json(const std::vector<QueueView>& queues);
std::string agents_table(const View& view, const Options& options, Timestamp now);
std::string agents_json(const View& view);

// "2/2", or what is not as it should be: "1/2 NotUpToDate".
std::string readiness_text(const QueueView& queue);
// "12", "12+?" when an agent that may hold more does not answer, "?" when none of them does.
std::string count_text(const QueueView& queue, std::uint64_t QueueStatus::*number);
// Of the oldest message that is known; "?" where only a silent agent could know one.
std::string oldest_text(const QueueView& queue, Timestamp now);
// Nothing is "".
std::string age_of(const std::optional<Timestamp>& time, Timestamp now);

Timestamp wall_now();

}  // namespace pannier::cli
