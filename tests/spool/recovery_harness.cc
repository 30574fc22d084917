#include "tests/spool/recovery_harness.h"

#include <algorithm>

namespace pannier::spool {
namespace {

std::string body_for(std::size_t id) {
  std::string body = "message " + std::to_string(id) + " ";
  while (body.size() < 300 + id % 7 * 100)
    body.push_back(static_cast<char>('a' + body.size() % 26));
  return body;
}

class Maker {
 public:
  explicit Maker(bool sealed) : sealed_(sealed) {}

  MadeJournal run() {
    made_.disk = std::make_unique<MemoryDisk>();
    SpoolOptions options = tiny_options();
    if (!sealed_) options.files.reserve = 1, options.files.ahead = 9;
    SpoolHarness spool(*made_.disk, options);
    spool_ = &spool;
    spool.run();  // makes spares: when nothing is to be sealed, the pool does not run again
    made_.first = spool.make_queue("first");
    made_.second = spool.make_queue("second");
    sync();
    for (int round = 0; round < (sealed_ ? 36 : 28); ++round) {
      for (int i = 0; i < 6; ++i) publish(i % 3 != 2, i % 3 != 0);
      if (round == 5) publish_large();
      if (round % 2 == 1) settle(static_cast<std::size_t>(round) * 3);
      if (round % 5 == 2) bring_back(static_cast<std::size_t>(round) * 4 + 1);
      put("round", round);
      sync();
    }
    put("end", 1);
    sync();
    const auto places = places_in(*made_.disk);
    made_.last = places.back().segment;
    for (const JournalPlace& place : places)
      if (place.segment == made_.last) made_.tail = std::max(made_.tail, place.batch);
    made_.disk = made_.disk->restart(1, Keep::everything);
    return std::move(made_);
  }

 private:
  void sync() {
    static_cast<void>((*spool_)->flush_settles());
    if (sealed_) return spool_->run();
    while (spool_->loop.run_one() || spool_->committer.run_one()) {}
  }

  void append(Group& group) {
    const auto commit = (*spool_)->append(group);
    ASSERT_TRUE(commit) << commit.error().detail;
  }

  void publish(bool to_first, bool to_second) {
    std::vector<Target> targets;
    if (to_first) targets.emplace_back().queue = made_.first;
    if (to_second) targets.emplace_back().queue = made_.second;
    Content content;
    content.head = Slice::copy_of("head");
    const std::string body = body_for(made_.messages.size());
    content.body = Slice::copy_of(body);
    Group group;
    group.publish(std::move(content), targets);
    append(group);
    for (const Entry& entry : group.entries()) {
      made_.messages.push_back({entry.queue, entry.sequence, body, entry.position(), false, 0});
      entries_.push_back(entry);
    }
  }

  void publish_large() {
    auto body = (*spool_)->begin_body();
    ASSERT_TRUE(body);
    Content content;
    for (int i = 0; i < 3; ++i) {
      const std::string part(4000, static_cast<char>('A' + i));
      made_.large_body += part;
      ASSERT_TRUE((*spool_)->append_part(*body, Slice::copy_of(part)));
    }
    content.head = Slice::copy_of("head");
    content.body_id = *body;
    content.parts = 3;
    content.body_size = made_.large_body.size();
    Target target;
    target.queue = made_.first;
    Group group;
    group.publish(std::move(content), {&target, 1});
    append(group);
    const Entry& entry = group.entries().front();
    made_.messages.push_back(
        {entry.queue, entry.sequence, made_.large_body, entry.position(), false, 0});
    entries_.push_back(entry);
  }

  void settle(std::size_t id) {
    made_.messages.at(id).is_settled = true;
    (*spool_)->settle(entries_.at(id));
  }

  void bring_back(std::size_t id) {
    if (made_.messages.at(id).is_settled) return;
    Group group;
    group.change(entries_.at(id), 3, true, 0);
    append(group);
    made_.messages[id].delivery_count = 3;
  }

  void put(std::string_view key, int value) {
    Group group;
    Bytes bytes;
    ByteWriter(bytes).le(static_cast<std::uint32_t>(value));
    group.put(StateKind::first_above, as_bytes(key), bytes);
    append(group);
  }

  bool sealed_;
  SpoolHarness* spool_ = nullptr;
  MadeJournal made_;
  std::vector<Entry> entries_;
};

class Checker {
 public:
  Checker(MemoryDisk& disk, const MadeJournal& made) : disk_(disk), made_(made) {}

  Kept run() {
    SpoolHarness spool(disk_, tiny_options());
    if (!spool.is_open()) {
      kept_.wrong.push_back("does not open: " + spool.opened().error().detail);
      return std::move(kept_);
    }
    spool_ = &spool;
    kept_.report = spool->recovery();
    kept_.queues = spool.queues();
    for (int turn = 0; turn < 4; ++turn) spool.settle_down();  // compaction has come to its end
    for (std::size_t id = 0; id < made_.messages.size(); ++id)
      by_place_[{made_.messages[id].queue, made_.messages[id].sequence}] = id;
    for (const QueueId queue : kept_.queues) check_queue(queue);
    for (std::size_t id = 0; id < made_.messages.size(); ++id)
      if (!found_.contains(id) && !made_.messages[id].is_settled) kept_.missing.insert(id);
    spool.run();
    kept_.corrupt_records = spool->status().corrupt_records;
    const auto files = disk_.list();
    kept_.quarantine_files = static_cast<std::uint64_t>(std::ranges::count_if(
        *files, [](const FileInfo& info) { return info.name.starts_with("quarantine-"); }));
    return std::move(kept_);
  }

 private:
  void check_queue(QueueId queue) {
    Sequence last = 0;
    const auto entries = spool_->fetch_all(queue, 0, 37);
    for (const Entry& entry : entries) {
      if (entry.sequence <= last) kept_.wrong.push_back("sequences are out of order");
      last = entry.sequence;
      check_entry(entry);
    }
    // Compaction may have met a damaged one since it was fetched, and lost it.
    const std::uint64_t lost = (*spool_)->status().corrupt_records;
    const std::uint64_t counted = (*spool_)->totals({queue, 0}).messages;
    if (counted > entries.size() || (lost == 0 && counted != entries.size()))
      kept_.wrong.push_back("the count of a queue is wrong");
    if ((*spool_)->last_sequence(queue) < last) kept_.wrong.push_back("the last sequence is low");
  }

  void check_entry(const Entry& entry) {
    const auto known = by_place_.find({entry.queue, entry.sequence});
    if (known == by_place_.end()) {
      kept_.wrong.push_back("a message is served that never was");
      return;
    }
    const MadeMessage& message = made_.messages[known->second];
    found_.insert(known->second);
    if (message.is_settled) kept_.back.insert(known->second);
    const auto body = whole_body_of(entry);
    const bool lost_since =
        !body && body.error().code == Errc::not_found && (*spool_)->status().corrupt_records > 0;
    if (lost_since || (!body && body.error().code == Errc::corrupt))
      kept_.corrupt.insert(known->second);
    else if (!body)
      kept_.wrong.push_back("a message cannot be read: " + body.error().detail);
    else if (*body != message.body)
      kept_.wrong.push_back("a wrong body is served");
    if (entry.delivery_count > message.delivery_count)
      kept_.wrong.push_back("a delivery count that never was");
  }

  Result<std::string> whole_body_of(const Entry& entry) {
    std::optional<Result<StoredMessage>> got;
    (*spool_)->read(entry, [&](auto message) { got = std::move(message); });
    (*spool_)->flush();
    spool_->run();
    if (!got || !*got) return got ? got->error() : Error{Errc::timed_out, "no answer"};
    std::string body((*got)->body.text());
    for (std::uint32_t i = 0; i < (*got)->meta.parts; ++i) {
      std::optional<Result<Slice>> part;
      (*spool_)->read_part((*got)->meta.body_id, i, [&](auto bytes) { part = std::move(bytes); });
      (*spool_)->flush();
      spool_->run();
      if (!part || !*part) return part ? part->error() : Error{Errc::timed_out, "no answer"};
      body += (*part)->text();
    }
    return body;
  }

  MemoryDisk& disk_;
  const MadeJournal& made_;
  SpoolHarness* spool_ = nullptr;
  Kept kept_;
  std::map<std::pair<QueueId, Sequence>, std::size_t> by_place_;
  std::set<std::size_t> found_;
};

}  // namespace

MadeJournal make_journal(bool sealed) { return Maker(sealed).run(); }

Kept kept_of(MemoryDisk& disk, const MadeJournal& made) { return Checker(disk, made).run(); }

}  // namespace pannier::spool
