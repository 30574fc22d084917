// View: what there is at one moment: agents and what they said, MessageQueues, and both put
// together by queue.
//
// A value, made by look(), which asks all agents at once and blocks for the timeout at most; the
// rest is pure. An agent that does not answer is known as silent and never counted as zero.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/agent_status.h"
#include "cli/local_folder.h"
#include "cli/options.h"

namespace pannier::cli {

struct Agent {
  std::string namespace_name;
  std::string pod;
  std::string uid;
  std::string socket;
  std::optional<PodObject> object;  // none: it was asked by --socket
  std::optional<AgentStatus> status;
  std::string why_silent;  // empty when it was not asked, since its pod is over
  bool is_asked = true;

  bool is_silent() const { return is_asked && !status; }
};

struct View {
  bool is_local = false;  // there are objects
  std::string place;      // for people: a folder, or a socket
  std::vector<Agent> agents;
  std::vector<QueueObject> objects;
  std::vector<EventLine> events;
  std::vector<std::string> warnings;
};

// Of the namespaces and the agent that the options name.
Result<View> look(const Options& options);

struct QueueOnAgent {
  const Agent* agent;
  const QueueStatus* status;
};

// One queue of one namespace, everywhere. Its pointers live as long as the view.
struct QueueView {
  std::string namespace_name;
  std::string name;
  const QueueObject* object = nullptr;
  std::string uid;  // of the MessageQueue that the agents know; empty: a client declared it
  std::vector<QueueOnAgent> on;
  std::vector<const Agent*> silent;  // may hold messages of it

  bool is_declared_by_client() const { return object == nullptr && uid.empty(); }
  // Sums of the agents that answer; nothing when none does that could know.
  std::optional<std::uint64_t> sum(std::uint64_t QueueStatus::*number) const;
  std::optional<Timestamp> oldest() const;
  std::string durability() const;
};

std::vector<QueueView> queues_of(const View& view);  // sorted by namespace and name

// By the queue's name, else by that of its MessageQueue. not_found says what there is instead.
Result<QueueView> find_queue(const View& view, const std::string& name);

// Whom to talk to about a queue: --agent's, else the first that serves it, or (prefers_messages)
// the one that has most.
Result<const Agent*> choose_agent(const View& view, const Options& options,
                                  const std::string& queue, bool prefers_messages);

// To standard error: warnings, and agents that do not answer.
void warn_of(const View& view);

}  // namespace pannier::cli
