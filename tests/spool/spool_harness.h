// SpoolHarness: a spool on a memory disk, with executors run by hand and a clock moved by hand.
//
// settle_down() runs everything until nothing is left to do: what was appended is then synced.
// After crash() the harness is over; open another one on the disk that restart() gave.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/spool/spool.h"
#include "tests/support/fake_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/memory_disk.h"

namespace pannier::spool {

inline SpoolOptions small_options() {
  SpoolOptions options;
  options.files.segment_bytes = 128u << 10;
  options.files.bytes_max = 64u << 20;
  options.files.ahead = 8;  // tests that hold the pool back go on for some segments
  options.files.free_space_reserve = 0;
  return options;
}

class SpoolHarness {
 public:
  explicit SpoolHarness(Disk& disk, const SpoolOptions& options = small_options())
      : opened_(open(disk, options)) {}
  ~SpoolHarness() {
    spool_.reset();
    loop.drop_all(), committer.drop_all(), pool.drop_all();
  }
  SpoolHarness(const SpoolHarness&) = delete;
  SpoolHarness& operator=(const SpoolHarness&) = delete;

  bool is_open() const { return spool_ != nullptr; }
  const Result<void>& opened() const { return opened_; }
  Spool& operator*() { return *spool_; }
  Spool* operator->() { return spool_.get(); }

  // Runs all executors until nothing is left.
  void run() {
    while (loop.run_one() || committer.run_one() || pool.run_one()) {}
  }
  void settle_down() {
    static_cast<void>(spool_->flush_settles());
    run();
    spool_->flush();
    run();
  }

  QueueId make_queue(std::string_view value = "queue") {
    Group group;
    const QueueId id = spool_->create_queue(group, as_bytes(value));
    EXPECT_TRUE(spool_->append(group));
    return id;
  }

  // Nothing when the spool refused it.
  std::optional<Entry> publish(QueueId queue, std::string_view body, Priority priority = 0) {
    Target target;
    target.queue = queue;
    target.priority = priority;
    Content content;
    content.published = clock.now_ms();
    content.head = Slice::copy_of("head");
    content.body = Slice::copy_of(body);
    Group group;
    group.publish(std::move(content), {&target, 1});
    auto commit = spool_->append(group);
    if (!commit) {
      refused = commit.error();
      return {};
    }
    last_commit = *commit;
    return group.entries().front();
  }

  std::vector<Entry> fetch_all(QueueId queue, Priority priority = 0, std::size_t step = 100) {
    std::vector<Entry> all;
    Sequence after = 0;
    while (true) {
      std::optional<Result<Entries>> got;
      spool_->fetch({queue, priority}, after, step,
                    [&](auto entries) { got = std::move(entries); });
      run();
      if (!got || !*got) {
        ADD_FAILURE() << (got ? got->error().detail : "fetch did not answer");
        return all;
      }
      for (const Entry& entry : **got) all.push_back(entry);
      if ((*got)->size() < step) return all;
      after = all.back().sequence;
    }
  }

  Result<std::string> body_of(const Entry& entry) {
    std::optional<Result<StoredMessage>> got;
    spool_->read(entry, [&](auto message) { got = std::move(message); });
    spool_->flush();
    run();
    if (!got) return Error{Errc::timed_out, "read did not answer"};
    if (!*got) return got->error();
    return std::string((*got)->body.text());
  }

  std::vector<std::string> bodies_in(QueueId queue, Priority priority = 0) {
    std::vector<std::string> bodies;
    for (const Entry& entry : fetch_all(queue, priority)) {
      auto body = body_of(entry);
      bodies.push_back(body ? *body : "error: " + body.error().detail);
    }
    return bodies;
  }

  std::vector<QueueId> queues() {
    std::vector<QueueId> ids;
    spool_->for_each_queue([&](QueueId id, ByteView) { ids.push_back(id); });
    return ids;
  }

  FakeClock clock;
  ManualExecutor loop;
  ManualExecutor committer;
  ManualExecutor pool;
  bool failed = false;
  int failures = 0;
  int syncs = 0;
  int rooms = 0;
  Commit last_commit = 0;
  std::optional<Error> refused;

 private:
  Result<void> open(Disk& disk, const SpoolOptions& options) {
    SpoolCallbacks callbacks;
    callbacks.on_synced = [this](const SyncReport&) { ++syncs; };
    callbacks.on_failed = [this](const Error&) { failed = true, ++failures; };
    callbacks.on_room = [this] { ++rooms; };
    auto opened = Spool::open(disk, options, {loop, committer, pool}, clock, std::move(callbacks));
    if (!opened) return opened.error();
    spool_ = std::move(*opened);
    return {};
  }

  std::unique_ptr<Spool> spool_;
  Result<void> opened_;
};

}  // namespace pannier::spool
