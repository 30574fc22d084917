#include "sidecar/agent.h"

#include <unistd.h>

#include "common/files.h"
#include "common/log.h"
#include "sidecar/agent_impl.h"
#include "sidecar/forward/link_channel.h"

namespace pannier {
namespace {

// Decision 4: after a failed sync nothing can be promised any more.
[[noreturn]] void die(const Error& why) {
  log::error("the spool can no longer be written, and the agent ends: what was confirmed is safe",
             {{"error", why.detail}});
  log::stop_thread();
  ::_exit(70);
}

std::uint64_t spool_bytes(const AgentSpool& settings, const spool::Space& space) {
  return settings.bytes_max > 0 ? settings.bytes_max : space.total_bytes / 10 * 9;
}

}  // namespace

Agent::Impl::Impl(net::Loop& with_loop, AgentOptions with_options)
    : loop_(with_loop), options_(std::move(with_options)), metrics_(options_.version, "") {}

Agent::Impl::~Impl() {
  loop_.set_end_of_turn({});
  pusher_.reset();  // their connections end without a further word
  if (amqp_) amqp_->remote_replies = nullptr;
  puller_.reset();
  for (const auto& [name, listener] : listeners_) listener->close_all();
  loop_.run_ready();  // sessions go before what they use
}

Result<void> Agent::Impl::start() {
  if (auto opened = open_spool(); !opened) return opened;
  make_access();
  make_amqp();
  make_metrics();
  loop_.set_end_of_turn([this] { end_turn(); });
  if (options_.is_dev) {
    Policy policy;
    policy.namespace_name = options_.config.identity.namespace_name;
    policy.client_topology = ClientTopology::local;
    access_->allow_guest();
    if (auto opened = open_admin(); !opened) return opened;
    apply(policy);
    return failure_ ? Result<void>(*failure_) : Result<void>();
  }
  if (auto opened = open_app_folder(); !opened) return opened;
  // Of a run that has ended; this one holds what it held.
  ::unlink((options_.config.folders.agent + "/" + kFinalStatusFile).c_str());
  if (auto opened = open_peer_tls(); !opened) return opened;
  make_links();
  if (auto opened = open_admin(); !opened) return opened;
  watch_files();
  return {};
}

void Agent::Impl::make_access() {
  queue::PolicyAccessOptions access;
  access.trust_domain = options_.config.identity.trust_domain;
  access.namespace_name = options_.config.identity.namespace_name;
  access_ = std::make_unique<queue::PolicyAccess>(loop_, pool_, system_clock(), access);
}

void Agent::Impl::make_amqp() {
  const AgentConfig& config = options_.config;
  amqp::AmqpLimits limits;
  limits.frame_max = config.limits.frame_bytes;
  limits.channel_max = static_cast<std::uint16_t>(config.limits.channels_per_connection);
  limits.message_bytes_max = config.limits.message_bytes;
  limits.unacked_per_channel = config.limits.unacked_messages_per_channel;
  limits.unacked_bytes_per_channel = config.limits.unacked_bytes_per_channel;
  limits.unsent_bytes = config.limits.unsent_bytes_per_connection;
  amqp_ = std::make_unique<amqp::SessionContext>(*registry_, *access_, system_clock(), limits);
  amqp_->product_version = options_.version;
  amqp_->vhost_alias = config.identity.namespace_name;
}

Result<void> Agent::Impl::open_app_folder() {
  const AgentConfig& config = options_.config;
  auto folder = AppFolder::open(config, wall_time(system_clock().now_ms()));
  if (!folder) return folder.error();
  access_->set_pod_credential(folder->user(), folder->password(), config.identity.service_account);
  auto tls = AppTls::make(std::move(*folder), system_clock());
  if (!tls) return tls.error();
  app_tls_ = std::move(*tls);
  return {};
}

Result<void> Agent::Impl::open_peer_tls() {
  const auto& local = options_.config.local;
  if (!local || local->certificate_file.empty()) return {};
  net::TlsOptions options;
  options.client_certificate = net::ClientCertificate::required;
  auto opened =
      net::TlsReload::open({local->certificate_file, local->key_file, local->ca_file}, options);
  if (!opened) return opened.error();
  peer_tls_ = std::move(*opened);
  options.role = net::TlsRole::client;
  auto dials =
      net::TlsReload::open({local->certificate_file, local->key_file, local->ca_file}, options);
  if (!dials) return dials.error();
  dial_tls_ = std::move(*dials);
  return {};
}

// Without a certificate there are no peers.
void Agent::Impl::make_links() {
  const AgentIdentity& identity = options_.config.identity;
  if (!peer_tls_) return;
  forward::serve_links(*amqp_, leases_, push_door_);
  dialer_ = std::make_unique<forward::NetLinkDialer>(
      loop_, [this] { return dial_tls_->current(); }, identity.trust_domain,
      identity.namespace_name);
  forward::PullerOptions options;
  options.pod_uid = identity.pod_uid;
  options.message_bytes_max = options_.config.limits.message_bytes;
  puller_ = std::make_unique<forward::Puller>(*registry_, *dialer_, system_clock(), options);
  amqp_->remote_replies = puller_.get();
  forward::PusherOptions pushes;
  pushes.pod_uid = identity.pod_uid;
  pushes.pulls = [this](const std::string& pod, const std::string& queue) {
    return leases_.pulls(pod, queue);
  };
  pusher_ = std::make_unique<forward::Pusher>(*registry_, *dialer_, system_clock(), pushes);
}

// Without them nothing that is encrypted can be read, and what is there stays as it is.
Result<void> Agent::Impl::load_keys(spool::SpoolOptions& options) {
  const auto& encryption = options_.config.spool.encryption;
  if (!encryption) return {};
  auto keys = spool::KeyRing::load(encryption->keys_folder);
  if (!keys) return keys.error();
  options.keys = std::move(*keys);
  options.requires_encryption = encryption->required;
  return {};
}

Error Agent::Impl::about_keys(const Error& why) const {
  if (why.code != Errc::bad_config) return why;
  const auto& encryption = options_.config.spool.encryption;
  const std::string& folder = options_.config.folders.spool;
  return {why.code, "the spool in " + folder + " stays as it is: " + why.detail +
                        (encryption ? " (spool.encryption.keys: " + encryption->keys_folder + ")"
                                    : " (spool.encryption.keys names no folder)")};
}

Result<void> Agent::Impl::open_spool() {
  const AgentConfig& config = options_.config;
  if (auto made = make_folders(config.folders.spool, 0700); !made) return made;
  auto disk = spool::PosixDisk::in_folder(config.folders.spool);
  if (!disk) return disk.error();
  disk_ = std::move(*disk);
  const auto space = disk_->space();
  if (!space) return space.error();
  spool::SpoolOptions options;
  options.files.segment_bytes = static_cast<std::uint32_t>(config.spool.segment_bytes);
  options.files.bytes_max = spool_bytes(config.spool, *space);
  options.files.free_space_reserve = config.spool.free_space_reserve;
  options.cache_bytes_max = config.limits.cache_bytes;
  options.unfinished_body_bytes_max = config.limits.unfinished_body_bytes;
  if (auto loaded = load_keys(options); !loaded) return loaded;
  spool::SpoolCallbacks callbacks;
  callbacks.on_synced = [this](const spool::SyncReport& report) { on_synced(report); };
  callbacks.on_failed = die;
  callbacks.on_room = [this] {
    if (registry_) registry_->on_room();
    if (amqp_) amqp_->on_room();
    if (api_) api_->on_room();
    for (http::HttpContext* const context : {control_http_.get(), http_.get(), https_.get()})
      if (context != nullptr) context->on_room();
  };
  auto opened = spool::Spool::open(*disk_, options, {loop_, committer_, pool_}, system_clock(),
                                   std::move(callbacks));
  if (!opened) return about_keys(opened.error());
  spool_ = std::move(*opened);
  watch_keys(options.keys);
  const spool::RecoveryReport& found = spool_->recovery();
  log::info("the spool is open", {{"folder", config.folders.spool},
                                  {"spool_id", to_text(spool_->id())},
                                  {"messages", found.messages},
                                  {"clean", found.was_clean},
                                  {"losses", found.losses.size()},
                                  {"bytes_max", options.files.bytes_max},
                                  {"key", options.keys ? options.keys->current() : 0}});
  queue::QueueLimits limits;
  limits.message_bytes = config.limits.memory_copy_bytes;
  queue::RegistryLimits registry_limits;
  registry_limits.queues = config.limits.queues;
  registry_limits.exchanges = config.limits.exchanges;
  registry_limits.bindings = config.limits.bindings;
  registry_ =
      std::make_unique<queue::Registry>(*spool_, system_clock(), loop_, limits, registry_limits);
  return registry_->recover();
}

// Everything that arrived in this turn goes to the committer as one batch, before answers are
// written.
void Agent::Impl::end_turn() {
  registry_->end_turn();
  if (puller_) {
    puller_->on_turn_end();
    pusher_->on_turn_end();
    spool_->flush();
  }
  confirms_.on_turn_end(spool_->last_commit(), registry_->context().journaled_publishes,
                        system_clock().now());
  watch_spool();
  if (is_draining_) go_on_ending();
  follow_deadline();
}

void Agent::Impl::on_synced(const spool::SyncReport& report) {
  metrics_.spool_sync_seconds.observe(report.took);
  metrics_.spool_sync_batch_records.observe(report.records);
  confirms_.on_synced(report.commit, system_clock().now());
  if (amqp_) amqp_->on_synced(report.commit);
  if (api_) api_->on_synced(report.commit);
  if (pusher_) pusher_->on_synced(report.commit);
}

// Publishers hear of a full spool, and of room again.
void Agent::Impl::watch_spool() {
  const auto may = spool_->may_publish();
  const bool is_full = !may && may.error().code == Errc::spool_full;
  if (is_full == amqp_->blocked().has_value()) return;
  if (is_full)
    log::warn("the spool is full: publishes are refused until there is room",
              {{"error", may.error().detail}});
  else
    log::info("the spool has room again: publishes are taken");
  amqp_->set_blocked(is_full ? std::optional<std::string>(may.error().detail) : std::nullopt);
}

std::optional<Clock::time_point> Agent::Impl::deadline() const {
  std::optional<Clock::time_point> next;
  const auto consider = [&next](std::optional<Clock::time_point> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  consider(registry_->deadline());
  consider(access_->deadline());
  consider(leases_.deadline());
  if (puller_) consider(puller_->deadline());
  if (pusher_) consider(pusher_->deadline());
  if (is_draining_ && !last_commit_) consider(ending_deadline());
  if (policy_file_ || keys_) consider(next_look_);
  return next;
}

void Agent::Impl::follow_deadline() {
  const auto now = system_clock().now();
  if (const auto when = deadline(); when && *when <= now) {
    registry_->on_time(now);
    access_->on_time(now);
    leases_.on_time(now);
    if (puller_) puller_->on_time(now);
    if (pusher_) pusher_->on_time(now);
    if (is_draining_) go_on_ending();
    look_at_files(now);
  }
  loop_.wake_at(deadline().value_or(Clock::time_point::max()));
}

void Agent::Impl::reload() {
  next_look_ = {};
  follow_deadline();
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::start(net::Loop& loop, AgentOptions options) {
  auto impl = std::make_unique<Impl>(loop, std::move(options));
  if (auto started = impl->start(); !started) return started.error();
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

void Agent::drain() { impl_->drain(); }
void Agent::terminate() { impl_->terminate(); }
void Agent::reload() { impl_->reload(); }
void Agent::keep_final_status() const { impl_->keep_final_status(); }
bool Agent::has_failed() const { return impl_->failure().has_value(); }

}  // namespace pannier
