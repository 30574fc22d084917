// Agent: all rooms of pannier-agent, built bottom-up and taken down top-down.
//
// Made by main on the thread that then runs the loop; everything but the constructor's blocking
// start happens on that thread. What survives it is in its folders: the spool, and what it was last
// told (policy, members).
#pragma once

#include <memory>
#include <string>

#include "common/agent_config.h"
#include "sidecar/net/loop.h"

namespace pannier {

struct AgentOptions {
  AgentConfig config;
  // For a developer's machine: guest/guest on loopback may everything, clients may declare.
  bool is_dev = false;
  std::string version;
};

class Agent {
 public:
  // Recovers the spool and listens. Blocks. Errors say what to do.
  static Result<std::unique_ptr<Agent>> start(net::Loop& loop, AgentOptions options);
  ~Agent();

  // It cannot serve, has said why in the log, and has stopped the loop.
  bool has_failed() const;
  // The first phase of the end (preStop): nothing more is pulled or taken from peers, and what is
  // here goes to them, while the app goes on as ever. Asked again, nothing.
  void drain();
  // The second (SIGTERM): no more connections and publishes; what can still be handed over is; all
  // is synced; then the loop stops. Asked again: at once.
  void terminate();
  // SIGHUP: reads its files again.
  void reload();
  // After a clean end, with the loop at rest: leaves its last /v1/status, which says what is still
  // in its spool, in its own folder. Blocks. Not in dev mode. The next start removes it.
  void keep_final_status() const;

  class Impl;

 private:
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pannier
