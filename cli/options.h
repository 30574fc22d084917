// Options: what the flags of all verbs say.
//
// Values, read once from the command line and owned by main; one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pannier::cli {

enum class Output : std::uint8_t { people, wide, json };

struct Options {
  std::string local;   // DIR; empty: PANNIER_LOCAL, or the nearest folder upward
  std::string socket;  // one agent's control socket; empty: --local counts
  std::string namespace_name = "default";
  bool all_namespaces = false;
  std::string agent;  // a pod's name
  Output output = Output::people;
  std::chrono::milliseconds timeout{5'000};  // for one answer of one agent
};

struct PublishOptions {
  std::string queue;
  std::optional<std::string> body;  // "-": standard input
  std::string file;
  std::string id;
  std::string content_type;
  std::vector<std::string> headers;  // name=value
  std::size_t count = 1;
  bool lines = false;   // each line is one message
  bool create = false;  // the queue, where the agent does not have it
};

struct ReceiveOptions {
  std::string queue;
  std::size_t max = 1;
  std::chrono::milliseconds wait{0};
  bool acks = true;
};

struct PeekOptions {
  std::string queue;
  std::size_t max = 10;  // of each agent
};

struct PurgeOptions {
  std::string queue;
  bool yes = false;
};

}  // namespace pannier::cli
