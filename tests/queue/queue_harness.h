// QueueHarness: a registry on a spool on a memory disk, with executors run by hand, and a consumer
// that a script can hold.
//
// turn() ends a loop turn and runs everything until nothing is left: what was published is then
// synced.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/queue/registry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/memory_disk.h"

namespace pannier::queue {

inline MessagePtr message(std::string_view body, std::string_view exchange = "",
                          std::string_view key = "", const Properties& properties = {}) {
  Bytes encoded;
  ByteWriter writer(encoded);
  properties.encode(writer);
  Message made;
  made.published = 1;
  made.head = make_head(exchange, key, encoded);
  made.body = Slice::copy_of(body);
  made.body_size = body.size();
  if (const auto traits = traits_of(properties)) made.traits = *traits;
  return std::make_shared<const Message>(std::move(made));
}

class QueueHarness {
 public:
  explicit QueueHarness(spool::Disk& disk, const QueueLimits& limits = {},
                        const RegistryLimits& registry_limits = {}) {
    spool::SpoolOptions options;
    options.files.segment_bytes = 512u << 10;
    options.files.bytes_max = 256u << 20;
    options.files.free_space_reserve = 0;
    spool::SpoolCallbacks callbacks;
    callbacks.on_synced = [this](const spool::SyncReport&) {
      if (on_synced) on_synced();
    };
    callbacks.on_failed = [](const Error&) {};
    callbacks.on_room = [this] {
      if (registry) registry->on_room();
      if (on_room) on_room();
    };
    auto opened =
        spool::Spool::open(disk, options, {loop, committer, pool}, clock, std::move(callbacks));
    if (!opened) {
      ADD_FAILURE() << opened.error().detail;
      return;
    }
    spool = std::move(*opened);
    registry = std::make_unique<Registry>(*spool, clock, loop, limits, registry_limits);
    const auto recovered = registry->recover();
    EXPECT_TRUE(recovered) << (recovered ? "" : recovered.error().detail);
    turn();
  }
  ~QueueHarness() {
    registry.reset();
    spool.reset();
    loop.drop_all(), committer.drop_all(), pool.drop_all();
  }
  QueueHarness(const QueueHarness&) = delete;
  QueueHarness& operator=(const QueueHarness&) = delete;

  void run() {
    for (int steps = 0; steps < 5'000'000; ++steps) {
      if (loop.run_one())
        registry->end_turn();
      else if (!committer.run_one() && !pool.run_one())
        return;
    }
    ADD_FAILURE() << "the agent never comes to rest";
  }
  void turn() {
    registry->end_turn();
    run();
    registry->end_turn();
    run();
  }
  void settle_down() {
    turn();
    static_cast<void>(spool->flush_settles());
    turn();
  }
  void stop_cleanly() {
    settle_down();
    EXPECT_TRUE(spool->close());
    run();
  }

  QueuePtr declare(std::string name, Table arguments = {}, bool durable = true) {
    QueueDefinition definition;
    definition.name = std::move(name);
    definition.durable = durable;
    definition.arguments = std::move(arguments);
    auto declared = registry->declare_queue(std::move(definition), 0);
    EXPECT_TRUE(declared) << (declared ? "" : declared.error().detail);
    return declared ? declared->queue : nullptr;
  }
  Published publish(std::string_view key, std::string_view body, std::string_view exchange = "") {
    if (++publishes_ % 100 == 0) turn();  // as the loop does: the spool makes segments meanwhile
    auto published = registry->publish(exchange, key, message(body, exchange, key));
    EXPECT_TRUE(published) << (published ? "" : published.error().detail);
    return published ? *published : Published{};
  }
  // Published now, by this clock.
  Published publish_as(std::string_view key, std::string_view body, const Properties& properties,
                       std::string_view exchange = "") {
    if (++publishes_ % 100 == 0) turn();
    Message made = *message(body, exchange, key, properties);
    made.published = clock.now_ms();
    auto published =
        registry->publish(exchange, key, std::make_shared<const Message>(std::move(made)));
    EXPECT_TRUE(published) << (published ? "" : published.error().detail);
    return published ? *published : Published{};
  }
  // Time passes, and what is due then is done.
  void pass(std::chrono::milliseconds time) {
    clock.advance(time);
    registry->on_time(clock.now());
    turn();
    registry->on_time(clock.now());
    turn();
  }
  QueuePtr find(std::string_view name) {
    auto found = registry->find_queue(name, 0);
    return found ? *found : nullptr;
  }
  std::optional<Delivery> get(Queue& queue, bool no_ack = false) {
    std::optional<Delivery> got;
    queue.get(no_ack, [&](std::optional<Delivery> delivery) { got = std::move(delivery); });
    turn();
    return got;
  }

  std::function<void()> on_synced;  // of whoever stands above
  std::function<void()> on_room;

  FakeClock clock;
  ManualExecutor loop;
  ManualExecutor committer;
  ManualExecutor pool;
  std::unique_ptr<spool::Spool> spool;
  std::unique_ptr<Registry> registry;

 private:
  int publishes_ = 0;
};

// Takes what its credit allows and remembers it.
class TestConsumer final : public Consumer {
 public:
  explicit TestConsumer(int with_credit) : credit(with_credit) {}

  bool has_credit() const override { return credit > 0; }
  void deliver(Queue&, Delivery delivery) override {
    --credit;
    got.push_back(std::move(delivery));
  }
  void queue_gone(Queue&) override { is_gone = true; }

  std::vector<std::string> bodies() const {
    std::vector<std::string> texts;
    for (const Delivery& delivery : got) texts.emplace_back(delivery.message->body.text());
    return texts;
  }

  int credit;
  std::vector<Delivery> got;
  bool is_gone = false;
};

}  // namespace pannier::queue
