#include "common/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>
#include <vector>

#include "common/utf8.h"

namespace pannier {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kLatencyBounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                     0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
// A message may wait for its consumer for hours.
constexpr double kWaitBounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1,     2.5,  5,     10,   30,
                                  60,    300,    1800,  7200, 28800, 86400};
constexpr double kBatchBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384};

template <typename Numbers>
struct CountColumn {
  const char* name;
  const char* help;
  MetricType type;
  std::uint64_t Numbers::*member;
};

constexpr auto kGauge = MetricType::Gauge;
constexpr auto kCounter = MetricType::Counter;

constexpr CountColumn<QueueNumbers> kQueueColumns[] = {
    {"pannier_queue_messages_ready", "Messages that wait for a consumer.", kGauge,
     &QueueNumbers::messages_ready},
    {"pannier_queue_messages_unacked", "Messages delivered and not settled yet.", kGauge,
     &QueueNumbers::messages_unacked},
    {"pannier_queue_messages_delayed", "Messages that are not due yet.", kGauge,
     &QueueNumbers::messages_delayed},
    {"pannier_queue_bytes", "Bytes of all messages of the queue.", kGauge, &QueueNumbers::bytes},
    {"pannier_queue_consumers", "Consumers of the queue on this agent, links included.", kGauge,
     &QueueNumbers::consumers},
    {"pannier_messages_published_total", "Messages that came into the queue.", kCounter,
     &QueueNumbers::published},
    {"pannier_messages_delivered_total", "Deliveries to consumers, repeated ones included.",
     kCounter, &QueueNumbers::delivered},
    {"pannier_messages_acked_total", "Messages that consumers have settled.", kCounter,
     &QueueNumbers::acked},
    {"pannier_messages_redelivered_total", "Deliveries of messages delivered before.", kCounter,
     &QueueNumbers::redelivered},
    {"pannier_messages_expired_total", "Messages whose time to live ended.", kCounter,
     &QueueNumbers::expired},
    {"pannier_messages_dead_lettered_total", "Messages moved to the dead letter target.", kCounter,
     &QueueNumbers::dead_lettered},
    {"pannier_messages_dropped_total", "Messages dropped from the head of a full queue.", kCounter,
     &QueueNumbers::dropped},
    {"pannier_messages_refused_total", "Publishes refused by a limit, and never confirmed.",
     kCounter, &QueueNumbers::refused},
    {"pannier_messages_deduplicated_total",
     "Publishes of messages that the queue has had before: confirmed, and not put again.", kCounter,
     &QueueNumbers::deduplicated},
};

// How a message can end other than by an ack, with or without a dead letter target.
struct DeathColumn {
  const char* reason;  // as in x-death
  std::uint64_t QueueNumbers::*member;
};
constexpr DeathColumn kDeaths[] = {{"rejected", &QueueNumbers::rejected},
                                   {"expired", &QueueNumbers::expired},
                                   {"maxlen", &QueueNumbers::dropped},
                                   {"delivery_limit", &QueueNumbers::delivery_limit}};

// Names may be any bytes, while Prometheus rejects a whole scrape for one label that is not UTF-8.
std::string label_text(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  while (true) {
    const std::size_t fault = utf8_fault_at(text);
    result += text.substr(0, fault);
    if (fault == text.size()) return result;
    const auto byte = static_cast<unsigned char>(text[fault]);
    result += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    text.remove_prefix(fault + 1);
  }
}

using Labels = std::vector<ClientMetric::Label>;

void append(MetricFamily& family, Labels labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.gauge.value = metric.counter.value = value;  // the family's type says which one counts
}

}  // namespace

// Writes one family after the other, because a family in prometheus-cpp's form takes many times its
// text, and an agent may have thousands of queues.
class Metrics::Writer {
 public:
  void family(const MetricFamily& family) { serializer_.Serialize(out_, {family}); }

  void value(const char* name, const char* help, MetricType type, double value) {
    MetricFamily one{name, help, type, {}};
    append(one, {}, value);
    family(one);
  }

  void histogram(const char* name, const char* help, const Histogram& from) {
    ClientMetric metric;
    ClientMetric::Histogram& to = metric.histogram;
    const auto bounds = from.bounds();
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
      // The total is the sum of the buckets, so that it agrees with them while others count on.
      to.sample_count += from.count_in(i);
      if (i < bounds.size()) to.bucket.push_back({to.sample_count, bounds[i]});
    }
    to.sample_sum = from.sum();
    family({name, help, MetricType::Histogram, {metric}});
  }

  template <typename Rows>
  void families(const Rows& rows) {
    for (const MetricFamily& one : rows) family(one);
  }

  std::string take() { return std::move(out_).str(); }

 private:
  std::ostringstream out_;
  prometheus::TextSerializer serializer_;
};

struct Metrics::Rare {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& refused =
      prometheus::BuildCounter()
          .Name("pannier_connections_refused_total")
          .Help("Connections refused because of a limit.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& certificate_expiry =
      prometheus::BuildGauge()
          .Name("pannier_certificate_expiry_timestamp_seconds")
          .Help("When the certificate in use ends, in seconds since 1970.")
          .Register(registry);
  prometheus::Family<prometheus::Gauge>& build_info =
      prometheus::BuildGauge()
          .Name("pannier_build_info")
          .Help("Always 1; the labels say which build this is.")
          .Register(registry);
};

Metrics::Metrics(std::string_view version, std::string_view revision)
    : publish_to_confirm_seconds(kLatencyBounds),
      publish_to_ack_seconds(kWaitBounds),
      spool_sync_seconds(kLatencyBounds),
      spool_sync_batch_records(kBatchBounds),
      rare_(std::make_unique<Rare>()) {
  const prometheus::Labels labels{{"version", label_text(version)},
                                  {"revision", label_text(revision)}};
  rare_->build_info.Add(labels).Set(1);
  rare_->refused.Add({{"limit", "connections"}});  // shown before the first one, too
}

Metrics::~Metrics() = default;

void Metrics::set_queue_source(std::function<void(const ShowQueue&)> source) {
  queue_source_ = std::move(source);
}

void Metrics::set_link_source(std::function<void(const ShowLink&)> source) {
  link_source_ = std::move(source);
}

void Metrics::count_refused_connection(std::string_view limit) {
  rare_->refused.Add({{"limit", label_text(limit)}}).Increment();
}

void Metrics::set_certificate_expiry(std::string_view use, std::int64_t unix_seconds) {
  rare_->certificate_expiry.Add({{"use", label_text(use)}}).Set(static_cast<double>(unix_seconds));
}

std::string Metrics::text() const {
  Writer out;
  write_queues(out);
  write_links(out);
  write_agent(out);
  out.families(rare_->registry.Collect());
  return out.take();
}

void Metrics::write_queues(Writer& out) const {
  if (!queue_source_) return;
  std::vector<std::pair<std::string, QueueNumbers>> queues;
  queue_source_([&queues](std::string_view queue, const QueueNumbers& numbers) {
    queues.emplace_back(label_text(queue), numbers);
  });
  for (const auto& column : kQueueColumns) {
    MetricFamily family{column.name, column.help, column.type, {}};
    family.metric.reserve(queues.size());
    for (const auto& [queue, numbers] : queues) {
      append(family, {{"queue", queue}}, static_cast<double>(numbers.*column.member));
    }
    out.family(family);
  }
  MetricFamily deaths{"pannier_messages_died_total",
                      "Messages that ended other than by an ack, by the reason that x-death names.",
                      kCounter,
                      {}};
  for (const auto& [queue, numbers] : queues)
    for (const DeathColumn& death : kDeaths)
      append(deaths, {{"queue", queue}, {"reason", death.reason}},
             static_cast<double>(numbers.*death.member));
  out.family(deaths);
  MetricFamily ages{"pannier_queue_oldest_message_age_seconds",
                    "Age of the oldest message that is still in the queue; 0 when it is empty.",
                    kGauge,
                    {}};
  for (const auto& [queue, numbers] : queues) {
    append(ages, {{"queue", queue}}, numbers.oldest_message_age_seconds);
  }
  out.family(ages);
}

void Metrics::write_links(Writer& out) const {
  if (!link_source_) return;
  MetricFamily lags{"pannier_link_lag_messages",
                    "Messages that wait to be carried over by the link.",
                    kGauge,
                    {}};
  MetricFamily ages{"pannier_link_oldest_age_seconds",
                    "Age of the oldest message that waits to be carried over.",
                    kGauge,
                    {}};
  MetricFamily moved{
      "pannier_link_messages_total", "Messages that the link has carried over.", kCounter, {}};
  link_source_([&](std::string_view peer, std::string_view direction, const LinkNumbers& numbers) {
    const Labels labels{{"peer", label_text(peer)}, {"direction", label_text(direction)}};
    append(lags, labels, static_cast<double>(numbers.lag_messages));
    append(ages, labels, numbers.oldest_age_seconds);
    append(moved, labels, static_cast<double>(numbers.moved));
  });
  for (const MetricFamily* family : {&lags, &ages, &moved}) out.family(*family);
}

void Metrics::write_agent(Writer& out) const {
  const auto number = [](const auto& value) { return static_cast<double>(value.value()); };

  out.histogram("pannier_publish_to_confirm_seconds",
                "From the arrival of a publish to its confirm.", publish_to_confirm_seconds);
  out.histogram("pannier_publish_to_ack_seconds",
                "From the arrival of a publish to the consumer's ack.", publish_to_ack_seconds);
  out.histogram("pannier_spool_sync_seconds", "How long writing and syncing one batch took.",
                spool_sync_seconds);
  out.histogram("pannier_spool_sync_batch_records", "Records that one sync covered.",
                spool_sync_batch_records);

  MetricFamily spool{"pannier_spool_bytes",
                     "The spool's bytes: live messages, files on disk, and the limit on them.",
                     kGauge,
                     {}};
  append(spool, {{"kind", "live"}}, number(spool_bytes_live));
  append(spool, {{"kind", "disk"}}, number(spool_bytes_disk));
  append(spool, {{"kind", "limit"}}, number(spool_bytes_limit));
  out.family(spool);
  out.value("pannier_spool_corrupt_records_total",
            "Records that did not match their checksum or their format.", kCounter,
            number(spool_corrupt_records));
  MetricFamily keys{
      "pannier_spool_key_in_use",
      "Keys that segments of the spool are encrypted with; 0: some are not encrypted.",
      kGauge,
      {}};
  for (const std::uint32_t key : spool_keys) append(keys, {{"key", std::to_string(key)}}, 1);
  out.family(keys);
  out.value("pannier_spool_keys_unusable",
            "Whether the folder of keys cannot be used as it is: the last ones still count.",
            kGauge, number(spool_keys_unusable));

  MetricFamily connections{"pannier_connections", "Open connections.", kGauge, {}};
  append(connections, {{"protocol", "amqp"}}, number(connections_amqp));
  append(connections, {{"protocol", "http"}}, number(connections_http));
  append(connections, {{"protocol", "peer"}}, number(connections_peer));
  append(connections, {{"protocol", "admin"}}, number(connections_admin));
  out.family(connections);
}

}  // namespace pannier
