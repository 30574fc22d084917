// The verbs of pannierctl, one a file.
//
// Each blocks until it is done, prints results to standard output, and what people should know
// besides (an agent that does not answer) to standard error. An error of bad_config is one of
// usage: the program ends with 2; every other one with 1. Nothing survives a verb.
#pragma once

#include "cli/options.h"
#include "common/result.h"

namespace pannier::cli {

Result<void> get_queues(const Options& options);
Result<void> get_agents(const Options& options);
Result<void> describe_queue(const Options& options, const std::string& queue);
Result<void> publish(const Options& options, const PublishOptions& publish);
Result<void> receive(const Options& options, const ReceiveOptions& receive);
Result<void> peek(const Options& options, const PeekOptions& peek);
Result<void> purge(const Options& options, const PurgeOptions& purge);

}  // namespace pannier::cli
