// Agent::Impl: the agent's rooms in the order in which they are built. Private to sidecar/*.cc.
//
// Loop thread, once it runs; on_failed of the spool comes on the committer's.
#pragma once

#include <map>

#include "sidecar/agent.h"
#include "sidecar/amqp/server_session.h"
#include "sidecar/app_tls.h"
#include "sidecar/confirm_times.h"
#include "sidecar/file_watch.h"
#include "sidecar/forward/link_leases.h"
#include "sidecar/forward/net_link_dialer.h"
#include "sidecar/forward/puller.h"
#include "sidecar/forward/push_door.h"
#include "sidecar/forward/pusher.h"
#include "sidecar/http/admin_api.h"
#include "sidecar/http/api.h"
#include "sidecar/http/http_session.h"
#include "sidecar/key_watch.h"
#include "sidecar/net/listener.h"
#include "sidecar/net/tls_reload.h"
#include "sidecar/queue/policy_access.h"
#include "sidecar/spool/posix_disk.h"

namespace pannier {

class Agent::Impl {
 public:
  Impl(net::Loop& with_loop, AgentOptions with_options);
  ~Impl();

  Result<void> start();
  void drain();
  void terminate();
  void reload();
  void keep_final_status() const;
  const std::optional<Error>& failure() const { return failure_; }

 private:
  using MakeSession = std::function<std::unique_ptr<net::Session>(const net::PeerInfo& peer)>;
  using GetTls = std::function<std::shared_ptr<const net::TlsContext>()>;

  Result<void> open_spool();
  Result<void> load_keys(spool::SpoolOptions& options);
  Error about_keys(const Error& why) const;
  void make_access();
  void make_amqp();
  Result<void> open_app_folder();
  Result<void> open_peer_tls();
  void make_links();
  // agent_policy.cc
  void watch_files();
  void watch_keys(Keys in_use);
  void look_at_files(Clock::time_point now);
  void on_policy_text(const std::string& text);
  void on_members_text(const std::string& text);
  void apply(const Policy& policy);
  void renew_certificates();
  // agent_listeners.cc
  Result<void> open_listeners();
  Result<void> listen(const std::string& name, const AgentListener& listener, GetTls tls,
                      MakeSession make);
  MakeSession amqp_session(amqp::Logins logins) const;
  // agent_http.cc
  Result<void> open_admin();
  Result<void> open_admin_tls();
  Result<void> open_control();
  Result<void> open_http();
  void close_http();
  MakeSession http_session(std::unique_ptr<http::HttpContext>& context, http::Handler& handler,
                           bool is_for_apps);
  http::HttpLimits http_limits() const;
  // agent_status.cc
  void make_metrics();
  http::AdminSource admin_source();
  std::string metrics_text();
  std::vector<http::AdminCertificate> certificates() const;
  std::optional<http::AdminEncryption> encryption() const;
  http::AdminStatus status() const;
  void add_queues(http::AdminStatus& status) const;
  void end_turn();
  void on_synced(const spool::SyncReport& report);
  void watch_spool();
  void follow_deadline();
  std::optional<Clock::time_point> deadline() const;
  // agent_end.cc
  void go_on_ending();
  std::optional<Clock::time_point> ending_deadline() const;
  bool is_handed_over() const;
  void close_down();
  void stop_when_synced();

  static constexpr std::size_t kControlConnectionsMax = 64;

  net::Loop& loop_;
  AgentOptions options_;
  Metrics metrics_;
  ConfirmTimes confirms_{metrics_.publish_to_confirm_seconds};
  const std::int64_t started_ms_ = system_clock().now_ms();
  std::unique_ptr<spool::PosixDisk> disk_;  // jobs of these threads use it to their end
  ThreadExecutor committer_{"pannier-sync", 1};
  std::unique_ptr<net::TlsReload> peer_tls_, dial_tls_;  // what we show, and how we dial
  std::unique_ptr<net::TlsReload> admin_tls_;            // the same files; clients need none
  ThreadExecutor pool_{"pannier-pool", 2};
  std::unique_ptr<spool::Spool> spool_;
  std::unique_ptr<queue::Registry> registry_;
  std::unique_ptr<queue::PolicyAccess> access_;
  forward::LinkLeases leases_{system_clock()};  // outlives the sessions
  forward::PushDoor push_door_;                 // so does this
  std::unique_ptr<amqp::SessionContext> amqp_;
  std::unique_ptr<http::ApiHandler> api_;
  std::unique_ptr<http::AdminApi> admin_api_, control_api_;
  // One a listener; they outlive their sessions.
  std::unique_ptr<http::HttpContext> admin_http_, control_http_, http_, https_;
  std::unique_ptr<forward::NetLinkDialer> dialer_;
  std::unique_ptr<forward::Puller> puller_;
  std::unique_ptr<forward::Pusher> pusher_;
  std::map<std::string, std::unique_ptr<net::Listener>> listeners_;
  std::unique_ptr<AppTls> app_tls_;
  std::unique_ptr<FileWatch> policy_file_, members_file_;
  std::unique_ptr<KeyWatch> keys_;  // null: none are configured
  std::optional<Policy> policy_;
  std::string policy_version_, members_version_;  // of the documents in use; empty: none
  std::size_t members_agents_ = 0;
  std::optional<Error> failure_;
  bool is_reloading_ = false;   // certificates, on the pool
  bool policy_failed_ = false;  // part of it could not be applied: tried again
  Clock::time_point next_look_{};
  bool is_draining_ = false;
  bool is_ending_ = false;
  Clock::time_point hand_over_until_{};
  std::optional<spool::Commit> apps_until_;   // of what apps had published before the end
  std::optional<spool::Commit> last_commit_;  // of a spool that is being closed
  std::string final_status_;                  // empty: it has not ended cleanly
};

}  // namespace pannier
