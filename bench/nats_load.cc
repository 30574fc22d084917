// nats-load: what pannier-load does, for NATS JetStream: publishes to and consumes from a stream in
// files, and prints what it saw as the same line of JSON.
//
// The next message goes out when an ack comes in, so that no more than asked for are ever pending.
// All callbacks come on the library's one delivery thread; the main thread starts them off and then
// only waits. With one in flight the library writes at once; otherwise it gathers for a
// millisecond.
#include <nats/nats.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/load_stats.h"

namespace pannier::bench {
namespace {

using std::chrono::steady_clock;

struct NatsOptions {
  std::string url = "nats://127.0.0.1:4222";
  std::string stream = "load";  // and its subject
  std::size_t connections = 1;
  std::uint64_t in_flight = 1'000;  // of each connection
  std::size_t body_bytes = 1'024;
  std::uint64_t messages = 1'000'000;
  double seconds_max = 0;
  std::int64_t prefetch = 500;
  bool consume = false;
};

class NatsLoad {
 public:
  explicit NatsLoad(const NatsOptions& options)
      : options_(options), body_(options.body_bytes, 'x') {}
  ~NatsLoad();

  bool open();
  bool run();
  void print() const;

 private:
  bool is_ok(natsStatus status, const char* what);
  bool connect();
  bool add_stream();
  bool subscribe();
  void publish(jsCtx* context);
  void on_ack(jsCtx* context, natsMsg* message, const jsPubAckErr* error);
  void on_message(natsMsg* message);
  bool is_done() const;

  NatsOptions options_;
  std::string body_;
  std::vector<natsConnection*> connections_;
  std::vector<jsCtx*> contexts_;
  natsSubscription* subscription_ = nullptr;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::uint64_t published_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t consumed_ = 0;
  LoadStats latency_;
  std::string error_;
  steady_clock::time_point began_;
  double seconds_ = 0;
  double cpu_before_ = 0;
  double cpu_used_ = 0;
};

NatsLoad::~NatsLoad() {
  natsSubscription_Destroy(subscription_);
  for (natsConnection* connection : connections_) natsConnection_Close(connection);
  for (jsCtx* context : contexts_) jsCtx_Destroy(context);
  for (natsConnection* connection : connections_) natsConnection_Destroy(connection);
}

bool NatsLoad::is_ok(natsStatus status, const char* what) {
  if (status == NATS_OK) return true;
  const char* detail = nats_GetLastError(nullptr);
  std::fprintf(stderr, "nats-load: %s: %s (%s)\n", what, natsStatus_GetText(status),
               detail ? detail : "");
  return false;
}

bool NatsLoad::connect() {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = natsOptions_SetURL(options, options_.url.c_str());
  if (status == NATS_OK) status = natsOptions_SetAllowReconnect(options, false);
  if (status == NATS_OK) status = natsOptions_UseGlobalMessageDelivery(options, true);
  if (status == NATS_OK) status = natsOptions_SetSendAsap(options, options_.in_flight == 1);
  if (status == NATS_OK) status = natsConnection_Connect(&connection, options);
  natsOptions_Destroy(options);
  if (!is_ok(status, "connect")) return false;
  connections_.push_back(connection);

  jsOptions settings;
  jsOptions_Init(&settings);
  settings.PublishAsync.AckHandlerClosure = this;
  settings.PublishAsync.AckHandler = [](jsCtx* context, natsMsg* message, jsPubAck*,
                                        jsPubAckErr* error, void* self) {
    static_cast<NatsLoad*>(self)->on_ack(context, message, error);
  };
  jsCtx* context = nullptr;
  if (!is_ok(natsConnection_JetStream(&context, connection, &settings), "JetStream")) return false;
  contexts_.push_back(context);
  return true;
}

bool NatsLoad::add_stream() {
  const char* subjects[] = {options_.stream.c_str()};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = options_.stream.c_str();
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  // As a queue does: what was acked goes.
  config.Retention = js_WorkQueuePolicy;
  return is_ok(js_AddStream(nullptr, contexts_.front(), &config, nullptr, nullptr), "stream");
}

bool NatsLoad::subscribe() {
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = options_.stream.c_str();
  options.ManualAck = true;
  options.Config.Durable = "consumer";
  options.Config.AckPolicy = js_AckExplicit;
  options.Config.MaxAckPending = options_.prefetch;
  const auto handler = [](natsConnection*, natsSubscription*, natsMsg* message, void* self) {
    static_cast<NatsLoad*>(self)->on_message(message);
  };
  // A connection of its own, as the other load has it.
  if (!connect()) return false;
  jsCtx* context = contexts_.back();
  contexts_.pop_back();
  const natsStatus status = js_Subscribe(&subscription_, context, options_.stream.c_str(), handler,
                                         this, nullptr, &options, nullptr);
  contexts_.insert(contexts_.begin(), context);
  return is_ok(status, "subscribe");
}

bool NatsLoad::open() {
  nats_SetMessageDeliveryPoolSize(1);
  for (std::size_t i = 0; i < options_.connections; ++i)
    if (!connect()) return false;
  return add_stream() && (!options_.consume || subscribe());
}

// With the mutex held.
void NatsLoad::publish(jsCtx* context) {
  if (published_ >= options_.messages) return;
  const auto now = steady_clock::now();
  std::memcpy(body_.data(), &now, std::min(sizeof now, body_.size()));
  const natsStatus status = js_PublishAsync(context, options_.stream.c_str(), body_.data(),
                                            static_cast<int>(body_.size()), nullptr);
  if (status == NATS_OK)
    ++published_;
  else if (error_.empty())
    error_ = std::string("publish: ") + natsStatus_GetText(status);
}

void NatsLoad::on_ack(jsCtx* context, natsMsg* message, const jsPubAckErr* error) {
  const std::lock_guard lock(mutex_);
  const auto now = steady_clock::now();
  steady_clock::time_point sent;
  std::memcpy(&sent, natsMsg_GetData(message), sizeof sent);
  natsMsg_Destroy(message);
  latency_.add(now - sent);
  if (error && refused_ == 0) error_ = std::string("refused: ") + error->ErrText;
  ++(error ? refused_ : confirmed_);
  const bool is_late = options_.seconds_max > 0 &&
                       std::chrono::duration<double>(now - began_).count() >= options_.seconds_max;
  if (is_late) options_.messages = std::min(options_.messages, published_);
  publish(context);
  if (is_done()) changed_.notify_one();
}

void NatsLoad::on_message(natsMsg* message) {
  const natsStatus acked = natsMsg_Ack(message, nullptr);
  natsMsg_Destroy(message);
  const std::lock_guard lock(mutex_);
  ++consumed_;
  if (acked != NATS_OK && error_.empty()) error_ = "an ack failed";
  if (is_done()) changed_.notify_one();
}

bool NatsLoad::is_done() const {
  if (!error_.empty()) return true;
  return confirmed_ + refused_ >= options_.messages &&
         (!options_.consume || consumed_ >= options_.messages);
}

bool NatsLoad::run() {
  std::unique_lock lock(mutex_);
  began_ = steady_clock::now();
  cpu_before_ = cpu_seconds();
  // The consumer's context, if there is one, comes first and does not publish.
  const std::size_t first = options_.consume ? 1 : 0;
  for (std::uint64_t i = 0; i < options_.in_flight; ++i)
    for (std::size_t k = first; k < contexts_.size(); ++k) publish(contexts_[k]);
  while (!changed_.wait_for(lock, std::chrono::seconds(1), [this] { return is_done(); })) {
    for (natsConnection* connection : connections_)
      if (natsConnection_IsClosed(connection)) error_ = "the server has closed a connection";
  }
  seconds_ = std::chrono::duration<double>(steady_clock::now() - began_).count();
  cpu_used_ = cpu_seconds() - cpu_before_;
  if (!error_.empty()) std::fprintf(stderr, "nats-load: %s\n", error_.c_str());
  return error_.empty();
}

void NatsLoad::print() const {
  const std::lock_guard lock(mutex_);
  const nlohmann::json line{{"messages", options_.messages},
                            {"seconds", seconds_},
                            {"rate", static_cast<double>(options_.messages) / seconds_},
                            {"confirmed", confirmed_},
                            {"refused", refused_},
                            {"consumed", consumed_},
                            {"confirm_us",
                             {{"p50", latency_.percentile_us(0.5)},
                              {"p90", latency_.percentile_us(0.9)},
                              {"p99", latency_.percentile_us(0.99)},
                              {"p999", latency_.percentile_us(0.999)}}},
                            {"load_cpu_seconds", cpu_used_},
                            {"load_cpu_share", cpu_used_ / seconds_}};
  std::puts(line.dump().c_str());
}

}  // namespace
}  // namespace pannier::bench

int main(int argc, char** argv) {
  using namespace pannier::bench;
  NatsOptions options;
  std::string mode = "publish";
  CLI::App app("A load for NATS JetStream.", "nats-load");
  app.add_option("--url", options.url)->capture_default_str();
  app.add_option("--stream", options.stream)->capture_default_str();
  app.add_option("--connections", options.connections, "That publish")->capture_default_str();
  app.add_option("--in-flight", options.in_flight, "Without an ack, of each connection")
      ->capture_default_str();
  app.add_option("--size", options.body_bytes, "Bytes of a body")
      ->check(CLI::Range(sizeof(std::chrono::steady_clock::time_point), std::size_t{1'000'000}))
      ->capture_default_str();
  app.add_option("--messages", options.messages)->capture_default_str();
  app.add_option("--seconds-max", options.seconds_max, "End early, with what was published so far")
      ->capture_default_str();
  app.add_option("--prefetch", options.prefetch, "Delivered and not yet acked")
      ->capture_default_str();
  app.add_option("--mode", mode, "publish or both")
      ->check(CLI::IsMember({"publish", "both"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.consume = mode == "both";

  NatsLoad load(options);
  if (!load.open() || !load.run()) return 1;
  load.print();
  return 0;
}
