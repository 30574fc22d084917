// What the agent shows of itself: metrics and status, collected when somebody asks.
#include "common/log.h"
#include "sidecar/agent_impl.h"

namespace pannier {
namespace {

QueueNumbers numbers_of(const queue::QueueStatus& status, std::int64_t now_ms) {
  QueueNumbers numbers;
  numbers.messages_ready = status.ready;
  numbers.messages_unacked = status.unacked;
  numbers.messages_delayed = status.delayed;
  numbers.bytes = status.bytes;
  numbers.consumers = status.consumers;
  if (status.oldest)
    numbers.oldest_message_age_seconds =
        static_cast<double>(std::max<std::int64_t>(0, now_ms - *status.oldest)) / 1000;
  numbers.published = status.counters.published;
  numbers.delivered = status.counters.delivered;
  numbers.acked = status.counters.acked;
  numbers.redelivered = status.counters.redelivered;
  numbers.expired = status.counters.expired;
  numbers.rejected = status.counters.rejected;
  numbers.delivery_limit = status.counters.delivery_limit;
  numbers.dead_lettered = status.counters.dead_lettered;
  numbers.dropped = status.counters.dropped;
  numbers.refused = status.counters.refused;
  numbers.deduplicated = status.counters.duplicates;
  return numbers;
}

std::int64_t ms_of(WallTime time) { return time.time_since_epoch().count() * 1000; }

}  // namespace

void Agent::Impl::make_metrics() {
  registry_->context().publish_to_ack = &metrics_.publish_to_ack_seconds;
  metrics_.set_queue_source([this](const Metrics::ShowQueue& show) {
    const std::int64_t now = system_clock().now_ms();
    registry_->for_each([&](const queue::Queue& queue, const queue::QueueDefinition&) {
      show(queue.name(), numbers_of(queue.status(), now));
    });
  });
  metrics_.set_link_source([this](const Metrics::ShowLink& show) {
    if (puller_) puller_->show(show);
    if (pusher_) pusher_->show(show);
  });
}

http::AdminSource Agent::Impl::admin_source() {
  http::AdminSource source;
  source.missing = [this] { return policy_ ? std::string() : std::string("no policy yet"); };
  source.metrics = [this] { return metrics_text(); };
  source.status = [this] { return status(); };
  source.drain = [this] { drain(); };
  return source;
}

std::string Agent::Impl::metrics_text() {
  const auto connections = [this](const char* secured, const char* plain) {
    std::size_t count = 0;
    for (const char* const name : {secured, plain})
      if (const auto found = listeners_.find(name); found != listeners_.end())
        count += found->second->connections();
    return static_cast<std::int64_t>(count);
  };
  metrics_.connections_amqp.set(connections("amqps", "amqp"));
  metrics_.connections_http.set(connections("https", "http"));
  metrics_.connections_peer.set(connections("peer", ""));
  metrics_.connections_admin.set(connections("admin", "control"));
  const spool::SpoolStatus spool = spool_->status();
  metrics_.spool_bytes_live.set(static_cast<std::int64_t>(spool.live_bytes));
  metrics_.spool_bytes_disk.set(static_cast<std::int64_t>(spool.disk_bytes));
  metrics_.spool_bytes_limit.set(static_cast<std::int64_t>(spool.bytes_max));
  metrics_.spool_corrupt_records.add(spool.corrupt_records -
                                     metrics_.spool_corrupt_records.value());
  metrics_.spool_keys = spool_->key_ids();
  metrics_.spool_keys_unusable.set(keys_ && !keys_->error().empty() ? 1 : 0);
  for (const http::AdminCertificate& each : certificates())
    metrics_.set_certificate_expiry(each.use, each.expires_ms / 1000);
  return metrics_.text();
}

std::vector<http::AdminCertificate> Agent::Impl::certificates() const {
  std::vector<http::AdminCertificate> all;
  if (app_tls_) all.push_back({"localhost", ms_of(app_tls_->not_after())});
  if (peer_tls_) all.push_back({"peer", ms_of(peer_tls_->not_after())});
  if (admin_tls_) all.push_back({"admin", ms_of(admin_tls_->not_after())});
  return all;
}

std::optional<http::AdminEncryption> Agent::Impl::encryption() const {
  if (!keys_) return {};
  return http::AdminEncryption{keys_->current(), spool_->key_ids(),
                               options_.config.spool.encryption->required, keys_->error()};
}

http::AdminStatus Agent::Impl::status() const {
  const AgentIdentity& identity = options_.config.identity;
  http::AdminStatus status;
  status.version = options_.version;
  status.namespace_name = identity.namespace_name;
  status.pod = identity.pod_name;
  status.pod_uid = identity.pod_uid;
  status.spool_id = to_text(spool_->id());
  status.phase = is_ending_ ? "ending" : is_draining_ ? "draining" : "serving";
  status.started_ms = started_ms_;
  status.policy_version = policy_version_;
  status.policy_queues = policy_ ? policy_->queues.size() : 0;
  status.members_version = members_version_;
  status.members_agents = members_agents_;
  status.confirmed = confirms_.confirmed();
  add_queues(status);
  const auto add_link = [&status](std::string_view peer, std::string_view direction,
                                  const LinkNumbers& numbers) {
    status.links.push_back({std::string(peer), std::string(direction), numbers});
  };
  if (puller_) puller_->show(add_link);
  if (pusher_) pusher_->show(add_link);
  status.certificates = certificates();
  if (peer_tls_) status.trust_bundle = peer_tls_->trust_bundle();
  const spool::SpoolStatus spool = spool_->status();
  status.spool = {spool.disk_bytes, spool.bytes_max,       spool.live_bytes,
                  spool.segments,   spool.corrupt_records, amqp_->blocked().has_value(),
                  encryption()};
  return status;
}

void Agent::Impl::add_queues(http::AdminStatus& status) const {
  const std::int64_t now = system_clock().now_ms();
  registry_->for_each([&](const queue::Queue& queue, const queue::QueueDefinition& definition) {
    const queue::QueueStatus of = queue.status();
    http::AdminQueue shown;
    shown.name = queue.name();
    shown.uid = definition.uid;
    shown.generation = definition.generation;
    shown.numbers = numbers_of(of, now);
    shown.returned = of.counters.returned;
    shown.lost = of.counters.lost;
    shown.oldest_ms = of.oldest;
    shown.durability = name_in(kDurabilityNames, queue.settings().durability);
    shown.paused = queue.settings().paused;
    status.queues.push_back(std::move(shown));
  });
}

}  // namespace pannier
