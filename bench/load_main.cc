// pannier-load: publishes to and consumes from an AMQP server as fast as it allows, and prints what
// it saw as one line of JSON, its own CPU time included: it must not be the limit itself.
#include <cstdio>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/load_client.h"
#include "sidecar/net/dialer.h"

namespace pannier::bench {
namespace {

struct Run {
  explicit Run(const LoadOptions& options) {
    load.options = options;
    load.loop = &loop;
    load.body = Slice::copy_of(std::string(options.body_bytes, 'x'));
    queue::Properties properties;
    properties.delivery_mode = 2;
    ByteWriter writer(load.properties);
    properties.encode(writer);
  }

  void dial_one() {
    const std::size_t publishers = load.options.publish ? load.options.connections : 0;
    const std::size_t number = clients.size();
    clients.push_back(std::make_unique<LoadClient>(load, number, number < publishers));
    net::ConnectionOptions options;
    options.make_session = [client = clients.back().get()](const net::PeerInfo&) {
      return client->make_session();
    };
    options.on_closed = [this](const Error& why) { load.fail(why.detail); };
    connections.push_back(
        net::dial(loop, load.options.host, load.options.port, std::move(options)));
  }

  int run() {
    load.wants_ready =
        load.options.connections * (load.options.publish && load.options.consume ? 2 : 1);
    all = load.wants_ready;
    dial_one();
    loop.run();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - load.began).count();
    connections.clear();
    loop.run_ready();
    if (!load.error.empty()) {
      std::fprintf(stderr, "pannier-load: %s\n", load.error.c_str());
      return 1;
    }
    const auto messages = static_cast<double>(load.options.messages);
    const LoadStats& latency = load.confirm_latency;
    const nlohmann::json line{{"messages", load.options.messages},
                              {"seconds", seconds},
                              {"rate", messages / seconds},
                              {"confirmed", load.confirmed},
                              {"refused", load.refused},
                              {"consumed", load.consumed},
                              {"confirm_us",
                               {{"p50", latency.percentile_us(0.5)},
                                {"p90", latency.percentile_us(0.9)},
                                {"p99", latency.percentile_us(0.99)},
                                {"p999", latency.percentile_us(0.999)}}},
                              {"load_cpu_seconds", cpu_seconds() - cpu_before},
                              {"load_cpu_share", (cpu_seconds() - cpu_before) / seconds}};
    std::puts(line.dump().c_str());
    return 0;
  }

  net::Loop loop;
  Load load;
  std::vector<std::unique_ptr<LoadClient>> clients;
  std::vector<std::unique_ptr<net::Dialled>> connections;
  std::size_t all = 0;  // connections
  double cpu_before = 0;
};

Run* current = nullptr;  // one run a process

}  // namespace

void Load::declared() {
  while (current->clients.size() < current->all) current->dial_one();
}

void Load::ready() {
  began = std::chrono::steady_clock::now();
  current->cpu_before = cpu_seconds();
  for (const auto& client : current->clients) client->go();
}

}  // namespace pannier::bench

int main(int argc, char** argv) {
  using namespace pannier::bench;
  LoadOptions options;
  std::string mode = "publish";
  CLI::App app("A load for AMQP 0-9-1 servers.", "pannier-load");
  app.add_option("--host", options.host, "IP address")->capture_default_str();
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--user", options.user)->capture_default_str();
  app.add_option("--password", options.password)->capture_default_str();
  app.add_option("--connections", options.connections)->capture_default_str();
  app.add_option("--in-flight", options.in_flight, "Unconfirmed, of each connection")
      ->capture_default_str();
  app.add_option("--size", options.body_bytes, "Bytes of a body")->capture_default_str();
  app.add_option("--messages", options.messages)->capture_default_str();
  app.add_option("--seconds-max", options.seconds_max, "End early, with what was published so far")
      ->capture_default_str();
  app.add_option("--queues", options.queues)->capture_default_str();
  app.add_option("--queue-prefix", options.queue_prefix)->capture_default_str();
  app.add_option("--queue-type", options.queue_type, "x-queue-type");
  app.add_option("--prefetch", options.prefetch)->capture_default_str();
  app.add_option("--mode", mode, "publish, consume or both")
      ->check(CLI::IsMember({"publish", "consume", "both"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.publish = mode != "consume";
  options.consume = mode != "publish";
  Run run(options);
  current = &run;
  return run.run();
}
