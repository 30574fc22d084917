// Metrics: every number that an agent shows to Prometheus; the names and help texts are all in
// metrics.cc.
//
// Owned by the agent and built before everything that counts. Three ways in:
// - members, written where things happen (one writing thread each, see metric_values.h);
// - sources for queues and links: their owner is asked for its numbers when somebody looks, so that
//   nothing is kept twice and the series of a queue that has gone are gone with it;
// - methods for rare events under a label.
// text() calls the sources, so it belongs to their thread, the loop's. The methods are safe
// anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/metric_values.h"

namespace pannier {

// What a queue shows. The first group is how it stands, the second has only ever grown since the
// queue came into this process.
struct QueueNumbers {
  std::uint64_t messages_ready = 0;
  std::uint64_t messages_unacked = 0;
  std::uint64_t messages_delayed = 0;
  std::uint64_t bytes = 0;
  std::uint64_t consumers = 0;
  double oldest_message_age_seconds = 0;  // 0 when it is empty

  std::uint64_t published = 0;
  std::uint64_t delivered = 0;
  std::uint64_t acked = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t expired = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t dropped = 0;  // by overflow DropHead
  std::uint64_t refused = 0;  // by a limit: never confirmed
  std::uint64_t deduplicated = 0;
  std::uint64_t rejected = 0;
  std::uint64_t delivery_limit = 0;  // delivered in vain too often
};

// What a link to one other agent or engine shows, over all queues that it carries.
struct LinkNumbers {
  std::uint64_t lag_messages = 0;  // ready on the far side (pull) or on this one (push)
  double oldest_age_seconds = 0;
  std::uint64_t moved = 0;  // messages settled since the link came into this process
};

class Metrics {
 public:
  using ShowQueue = std::function<void(std::string_view queue, const QueueNumbers& numbers)>;
  // `direction` is "pull" or "push"; a peer appears once in each.
  using ShowLink = std::function<void(std::string_view peer, std::string_view direction,
                                      const LinkNumbers& numbers)>;

  Metrics(std::string_view version, std::string_view revision);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Called by text(): `source` shows each queue or link once. An empty one takes the last one away,
  // which whoever is called by it does before going.
  void set_queue_source(std::function<void(const ShowQueue& show)> source);
  void set_link_source(std::function<void(const ShowLink& show)> source);

  // A listener refused somebody because of the limit of this name, a constant of ours.
  void count_refused_connection(std::string_view limit);
  // `use` names the certificate: "localhost", "peer", "admin".
  void set_certificate_expiry(std::string_view use, std::int64_t unix_seconds);

  // All of it in Prometheus' text format, version 0.0.4.
  std::string text() const;

  // Written on the loop thread.
  Histogram publish_to_confirm_seconds;
  Histogram publish_to_ack_seconds;
  Gauge connections_amqp, connections_http, connections_peer, connections_admin;
  Gauge spool_bytes_live, spool_bytes_disk, spool_bytes_limit;
  Counter spool_corrupt_records;
  std::vector<std::uint32_t> spool_keys;  // that segments need; 0 stands for plain ones
  Gauge spool_keys_unusable;              // 1: the folder of keys cannot be used as it is
  Histogram spool_sync_seconds;
  Histogram spool_sync_batch_records;

 private:
  struct Rare;  // prometheus-cpp stays in metrics.cc
  class Writer;

  void write_queues(Writer& out) const;
  void write_links(Writer& out) const;
  void write_agent(Writer& out) const;

  std::unique_ptr<Rare> rare_;
  std::function<void(const ShowQueue&)> queue_source_;
  std::function<void(const ShowLink&)> link_source_;
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace pannier
