// Agent::Impl: the agent's rooms in the order in which they are built. Private to sidecar/*.cc.
//
// Loop thread, once it runs; on_failed of the spool comes on the committer's.
#pragma once

#include <map>

#include "sidecar/agent.h"
#include "sidecar/amqp/server_session.h"
#include "sidecar/net/listener.h"
#include "sidecar/queue/policy_access.h"
#include "sidecar/spool/posix_disk.h"

namespace pannier {

class Agent::Impl {
 public:
  Impl(net::Loop& with_loop, AgentOptions with_options);
  ~Impl();

  Result<void> start();
  void terminate();
  void reload();

 private:
  Result<void> open_spool();
  Result<void> open_listeners();
  Result<void> listen(const std::string& name, const AgentListener& listener);
  void end_turn();
  void on_synced(const spool::SyncReport& report);
  void watch_spool();
  void follow_deadline();
  void stop_when_synced();

  net::Loop& loop_;
  AgentOptions options_;
  std::unique_ptr<spool::PosixDisk> disk_;  // jobs of these threads use it to their end
  ThreadExecutor committer_{"pannier-sync", 1};
  ThreadExecutor pool_{"pannier-pool", 2};
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<queue::Registry> registry_;
  std::unique_ptr<queue::PolicyAccess> access_;
  std::unique_ptr<amqp::SessionContext> amqp_;
  std::map<std::string, std::unique_ptr<net::Listener>> listeners_;
  std::optional<spool::Commit> last_commit_;  // of a spool that is being closed
};

}  // namespace pannier
