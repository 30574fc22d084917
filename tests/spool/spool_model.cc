#include "tests/spool/spool_model.h"

#include <algorithm>
#include <optional>

namespace pannier::spool {
namespace {

constexpr Commit kNever = ~Commit{0};

struct Message {
  int id = 0;
  QueueId queue = 0;
  Commit published = 0;
  Commit removed = kNever;     // by a group whose commit is known
  bool removal_tried = false;  // perhaps not yet in any group
  int group = 0;
  std::optional<Entry> entry;  // of this life
  std::uint16_t count = 0;
  bool count_sure = true;
  std::size_t body_size = 0;
  BodyId body = 0;  // in parts
  std::uint32_t parts = 0;
};

struct Value {
  int value = 0;
  Commit commit = 0;
};

std::string body_text(int id, std::size_t size) {
  std::string text = "#" + std::to_string(id) + ":";
  while (text.size() < size) text.push_back(static_cast<char>('a' + text.size() % 26));
  return text;
}

int id_of(std::string_view body) {
  return body.starts_with('#') ? std::atoi(std::string(body.substr(1)).c_str()) : -1;
}

class Model {
 public:
  Model(const ModelRun& run, ModelCounts& counts) : run_(run), counts_(counts), random_(run.seed) {}

  std::vector<std::string> run() {
    auto disk = std::make_unique<MemoryDisk>(run_.seed);
    for (int life = 0; life < run_.lives && problems_.empty(); ++life) {
      disk->sync_is_a_lie(run_.sync_is_a_lie);
      SpoolOptions options = run_.options;
      if (run_.keys != nullptr) options.keys = run_.keys->ring();
      std::optional<WatchingDisk> watched;
      if (run_.nonces != nullptr) watched.emplace(*disk, *run_.nonces);
      SpoolHarness spool(watched ? static_cast<Disk&>(*watched) : *disk, options);
      if (!spool.is_open()) {
        problem("the spool does not open: " + spool.opened().error().detail);
        break;
      }
      ++counts_.lives;
      spool_ = &spool;
      check();
      if (!problems_.empty()) break;
      disk->crash_at(disk->steps() + 20 + below(400));
      live();
      synced_ = spool->synced_commit();
      counts_.segments = std::max(counts_.segments, std::uint64_t{spool->status().segments});
      counts_.compacted_bytes += spool->status().compacted_bytes;
      auto next = disk->restart(run_.seed * 977 + static_cast<std::uint64_t>(life), keep());
      spool_ = nullptr;
      first_life_ = false;
      retired_.push_back(std::move(disk));
      disk = std::move(next);
    }
    return problems_;
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool percent(std::uint64_t of) { return below(100) < of; }
  Keep keep() {
    const auto draw = below(10);
    return draw == 0 ? Keep::nothing : draw == 1 ? Keep::everything : Keep::random;
  }
  void problem(const std::string& what) {
    problems_.push_back("seed " + std::to_string(run_.seed) + ", life " +
                        std::to_string(counts_.lives) + ": " + what);
  }

  void live() {
    for (int i = 0; i < run_.actions && !spool_->failed; ++i) {
      act();
      for (std::uint64_t turns = below(4); turns > 0; --turns) turn();
    }
    if (percent(30)) return;
    for (int i = 0; i < 30 && !spool_->failed; ++i) turn();
  }

  // Something happens on one of the threads.
  void turn() {
    switch (below(5)) {
      case 0: (*spool_)->flush(); return;
      case 1: spool_->pool.run_at(below(3)); return;
      case 2: spool_->committer.run_one(); return;
      case 3:
        spool_->clock.advance(std::chrono::milliseconds(below(60)));
        (*spool_)->on_time(spool_->clock.now());
        return;
      default:
        for (int i = 0; i < 5; ++i) spool_->loop.run_one();
    }
    note_synced_settles();
  }

  void act() {
    if (run_.keys != nullptr && percent(5)) change_keys();
    const auto draw = below(100);
    if (queues_.empty() || draw < 3) return make_queue();
    if (draw < 45) return publish();
    if (draw < 70) return settle();
    if (draw < 78) return bring_back();
    if (draw < 84) return move();
    if (draw < 90) return put();
    if (draw < 92) return purge();
    if (draw < 93) return drop_queue();
    if (draw < 97) return publish_in_parts();
    if (const auto commit = (*spool_)->flush_settles())
      settles_in_flight_.emplace_back(*commit, std::exchange(settled_, {}));
  }

  void change_keys() {
    const auto done = percent(30) ? run_.keys->rotate(**spool_) : run_.keys->retire(**spool_);
    if (!done) problem("keys are refused: " + done.error().detail);
  }

  void note_synced_settles() {
    while (!settles_in_flight_.empty()) {
      auto& [commit, ids] = settles_in_flight_.front();
      if (commit > (*spool_)->synced_commit()) return;
      for (const int id : ids)
        if (const auto found = messages_.find(id); found != messages_.end())
          found->second.removed = std::min(found->second.removed, commit);
      settles_in_flight_.erase(settles_in_flight_.begin());
    }
  }

  void make_queue() {
    if (queues_.size() >= 6) return;
    Group group;
    const QueueId id = (*spool_)->create_queue(group, as_bytes("a queue"));
    const auto commit = (*spool_)->append(group);
    if (commit) queues_[id] = {*commit, kNever};
  }

  Codec codec() { return run_.codecs[below(run_.codecs.size())]; }

  std::vector<QueueId> usable() const {
    std::vector<QueueId> ids;
    for (const auto& [id, life] : queues_)
      if (life.second == kNever) ids.push_back(id);
    return ids;
  }

  void publish() {
    auto ids = usable();
    if (ids.empty()) return;
    std::shuffle(ids.begin(), ids.end(), random_);
    const std::size_t targets = percent(20) ? std::min<std::size_t>(ids.size(), 3) : 1;
    Content content;
    const int id = ++last_id_;
    const std::size_t size = percent(8) ? below(9000) : below(900);
    content.body = Slice::copy_of(body_text(id, size));
    content.head = Slice::copy_of("the head");
    content.published = 1;
    content.codec = codec();
    std::vector<Target> to(targets);
    for (std::size_t i = 0; i < targets; ++i) to[i].queue = ids[i];
    Group group;
    group.publish(std::move(content), to);
    append_publish(group, size, ++last_group_);
  }

  void publish_in_parts() {
    const auto ids = usable();
    if (ids.empty()) return;
    auto body = (*spool_)->begin_body(codec());
    if (!body) return;
    const int id = ++last_id_;
    const std::string text = body_text(id, 20'000 + below(40'000));
    std::uint32_t parts = 0;
    for (std::size_t at = 0; at < text.size(); at += 16'000, ++parts) {
      const auto piece = std::string_view(text).substr(at, 16'000);
      if (!(*spool_)->append_part(*body, Slice::copy_of(piece)) || percent(3)) {
        (*spool_)->abort_body(*body);
        return;
      }
      turn();
      if (spool_->failed) return;
    }
    Content content;
    content.body_id = *body;
    content.parts = parts;
    content.body_size = text.size();
    content.head = Slice::copy_of("the head");
    Target target;
    target.queue = ids[below(ids.size())];
    Group group;
    group.publish(std::move(content), {&target, 1});
    append_publish(group, text.size(), ++last_group_, *body, parts);
  }

  void append_publish(Group& group, std::size_t size, int group_id, BodyId body = 0,
                      std::uint32_t parts = 0) {
    const auto commit = (*spool_)->append(group);
    if (!commit) return;
    ++counts_.groups;
    for (std::size_t i = 0; i < group.entries().size(); ++i) {
      const Entry& entry = group.entries()[i];
      Message message;
      message.id = last_id_;
      message.queue = entry.queue;
      message.published = *commit;
      message.group = group_id;
      message.entry = entry;
      message.body_size = size;
      message.body = body;
      message.parts = parts;
      // A fan-out's messages share the body's number; the model's own key is apart.
      messages_[++last_key_] = message;
      ++counts_.published;
    }
  }

  int pick() {
    std::vector<int> ready;
    for (const auto& [key, message] : messages_)
      if (message.entry && !message.removal_tried && message.removed == kNever &&
          queues_.at(message.queue).second == kNever)
        ready.push_back(key);
    return ready.empty() ? -1 : ready[below(ready.size())];
  }

  void settle() {
    for (std::uint64_t n = below(6); n > 0; --n) {
      const int key = pick();
      if (key < 0) return;
      Message& message = messages_.at(key);
      (*spool_)->settle(*message.entry);
      message.removal_tried = true;
      message.entry.reset();
      settled_.push_back(key);
      ++counts_.removed;
    }
  }

  void bring_back() {
    const int key = pick();
    if (key < 0) return;
    Message& message = messages_.at(key);
    Group group;
    group.change(*message.entry, static_cast<std::uint16_t>(message.count + 1), true, 0);
    const auto commit = (*spool_)->append(group);
    if (!commit) return;
    ++message.count;
    message.count_sure = false;
  }

  // A queue without this message, to which its body can go.
  QueueId other_queue(const Message& message) {
    std::vector<QueueId> ids = usable();
    std::erase_if(ids, [&](QueueId queue) {
      return std::ranges::any_of(messages_, [&](const auto& item) {
        return item.second.id == message.id && item.second.queue == queue;
      });
    });
    return ids.empty() ? 0 : ids[below(ids.size())];
  }

  // As dead-lettering does: from one queue to another, all or nothing. A body in parts is shared;
  // now and then the old message stays.
  void move() {
    const int key = pick();
    const auto ids = usable();
    if (key < 0 || ids.empty()) return;
    Message& message = messages_.at(key);
    const bool shares = message.parts > 0;
    const bool stays = shares && percent(30);
    Content content;
    content.body = shares ? Slice() : Slice::copy_of(body_text(last_id_ + 1, 30));
    content.body_id = message.body;
    content.parts = message.parts;
    content.body_size = shares ? message.body_size : 30;
    content.head = Slice::copy_of("the head");
    Target target;
    target.queue = shares ? other_queue(message) : ids[below(ids.size())];
    if (target.queue == 0) return;
    Group group;
    group.publish(std::move(content), {&target, 1});
    if (!stays) group.settle(*message.entry);
    const auto commit = (*spool_)->append(group);
    if (!commit) return;
    Message moved = message;
    moved.id = shares ? message.id : ++last_id_;
    moved.queue = target.queue;
    moved.published = *commit;
    moved.group = ++last_group_;
    moved.entry = group.entries().front();
    moved.body_size = shares ? message.body_size : 30;
    moved.count = 0;
    moved.count_sure = true;
    messages_[++last_key_] = moved;
    ++counts_.published;
    if (shares) ++counts_.shared;
    if (stays) return;
    message.removed = *commit;
    message.removal_tried = true;
    message.entry.reset();
    moves_[moved.group] = key;
  }

  void put() {
    const auto key = static_cast<std::uint8_t>(below(8));
    const int value = ++last_value_;
    Group group;
    const Bytes name{std::byte{key}};
    Bytes bytes;
    ByteWriter(bytes).le(static_cast<std::uint32_t>(value));
    if (percent(20))
      group.erase(StateKind::first_above, name);
    else
      group.put(StateKind::first_above, name, bytes);
    const auto commit = (*spool_)->append(group);
    if (commit) values_[key].push_back({current_value(key), *commit});
  }

  // What the spool itself says: the history is checked by commits.
  int current_value(std::uint8_t key) const {
    int value = 0;
    (*spool_)->for_each_state(StateKind::first_above, [&](ByteView name, ByteView bytes) {
      if (name.size() == 1 && name[0] == std::byte{key} && bytes.size() == 4)
        value = static_cast<int>(load_le<std::uint32_t>(bytes.data()));
    });
    return value;
  }

  void purge() {
    const auto ids = usable();
    if (ids.empty()) return;
    const QueueId queue = ids[below(ids.size())];
    std::vector<Entry> kept;
    std::vector<int> gone;
    for (auto& [key, message] : messages_) {
      if (message.queue != queue || !message.entry || message.removal_tried) continue;
      if (percent(20))
        kept.push_back(*message.entry);
      else
        gone.push_back(key);
    }
    Group group;
    group.purge(queue, kept);
    const auto commit = (*spool_)->append(group);
    if (!commit) return;
    for (const int key : gone) {
      Message& message = messages_.at(key);
      (*spool_)->release(*message.entry);
      message.entry.reset();
      message.removed = *commit;
      message.removal_tried = true;
    }
  }

  void drop_queue() {
    const auto ids = usable();
    if (ids.size() < 3) return;
    const QueueId queue = ids[below(ids.size())];
    Group group;
    (*spool_)->drop_queue(group, queue);
    const auto commit = (*spool_)->append(group);
    if (!commit) return;
    queues_[queue].second = *commit;
    for (auto& [key, message] : messages_) {
      if (message.queue != queue) continue;
      if (message.entry) (*spool_)->release(*message.entry);
      message.entry.reset();
      message.removed = std::min(message.removed, *commit);
      message.removal_tried = true;
    }
  }

  void check();
  void check_queues();
  void check_queue(QueueId queue);
  void check_messages();
  void check_values();
  bool found_entry(QueueId queue, const Entry& entry);
  Result<std::string> body_of(const Entry& entry);

  const ModelRun& run_;
  ModelCounts& counts_;
  std::mt19937_64 random_;
  SpoolHarness* spool_ = nullptr;
  std::vector<std::string> problems_;
  std::vector<std::unique_ptr<MemoryDisk>> retired_;
  bool first_life_ = true;
  Commit synced_ = 0;  // of the last life, when the power went

  std::map<QueueId, std::pair<Commit, Commit>> queues_;  // created, dropped
  std::map<int, Message> messages_;
  std::map<int, int> moves_;  // group of the new message, key of the old one
  std::map<std::uint8_t, std::vector<Value>> values_;
  std::vector<int> settled_;
  std::vector<std::pair<Commit, std::vector<int>>> settles_in_flight_;
  std::set<int> present_;  // keys found by the check
  BodyId body_id_ = 0;     // of the message that was read last
  std::uint32_t parts_ = 0;
  int last_id_ = 0, last_key_ = 0, last_group_ = 0, last_value_ = 0;
};

void Model::check() {
  if (first_life_) return;
  for (const std::string& loss : (*spool_)->recovery().losses) problem("calls lost: " + loss);
  if ((*spool_)->recovery().was_clean) problem("takes a power cut for a clean stop");
  present_.clear();
  check_queues();
  for (const auto& [queue, life] : queues_)
    if (life.second == kNever) check_queue(queue);
  check_messages();
  check_values();
  settled_.clear();
  settles_in_flight_.clear();
}

void Model::check_queues() {
  const auto found = spool_->queues();
  for (auto at = queues_.begin(); at != queues_.end();) {
    const bool is_there = std::find(found.begin(), found.end(), at->first) != found.end();
    const auto [created, dropped] = at->second;
    if (created <= synced_ && dropped == kNever && !is_there)
      problem("queue " + std::to_string(at->first) + " is lost");
    if (dropped <= synced_ && is_there) problem("queue " + std::to_string(at->first) + " is back");
    if (is_there) {
      at->second = {0, kNever};
      ++at;
      continue;
    }
    std::erase_if(messages_, [&](const auto& item) { return item.second.queue == at->first; });
    at = queues_.erase(at);
  }
}

void Model::check_queue(QueueId queue) {
  Sequence last = 0;
  for (const Entry& entry : spool_->fetch_all(queue, 0, 1 + below(40))) {
    if (entry.sequence <= last) problem("sequences of a queue out of order");
    last = entry.sequence;
    if (!found_entry(queue, entry)) return;
  }
  if ((*spool_)->totals({queue, 0}).messages !=
      static_cast<std::uint64_t>(std::count_if(present_.begin(), present_.end(), [&](int key) {
        return messages_.at(key).queue == queue;
      })))
    problem("the count of a queue is wrong");
}

Result<std::string> Model::body_of(const Entry& entry) {
  std::optional<Result<StoredMessage>> got;
  (*spool_)->read(entry, [&](auto read) { got = std::move(read); });
  (*spool_)->flush();
  spool_->run();
  if (!got || !*got) return got ? got->error() : Error{Errc::timed_out, "no answer"};
  body_id_ = (*got)->meta.body_id, parts_ = (*got)->meta.parts;
  if ((*got)->meta.parts == 0) return std::string((*got)->body.text());
  std::string body;
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

bool Model::found_entry(QueueId queue, const Entry& entry) {
  const auto body = body_of(entry);
  if (!body) {
    problem("a message cannot be read: " + body.error().detail);
    return false;
  }
  const int id = id_of(*body);
  for (auto& [key, message] : messages_) {
    if (message.id != id || message.queue != queue) continue;
    if (present_.contains(key)) problem("message " + std::to_string(id) + " is there twice");
    if (message.removed <= synced_) problem("message " + std::to_string(id) + " is back");
    if (*body != body_text(id, message.body_size)) problem("a body has changed");
    if (message.count_sure && message.count != entry.delivery_count)
      problem("the delivery count of message " + std::to_string(id) + " is " +
              std::to_string(entry.delivery_count) + ", not " + std::to_string(message.count));
    message.entry = entry;
    message.body = body_id_, message.parts = parts_;
    message.count = entry.delivery_count;
    message.count_sure = true;
    present_.insert(key);
    return true;
  }
  problem("message " + std::to_string(id) + " was never in queue " + std::to_string(queue) +
          " or is back from a dropped one");
  return false;
}

void Model::check_messages() {
  std::map<int, std::pair<int, int>> groups;  // present and absent, without those removed
  for (auto at = messages_.begin(); at != messages_.end();) {
    Message& message = at->second;
    const bool is_there = present_.contains(at->first);
    if (message.published <= synced_ && !message.removal_tried && !is_there)
      problem("message " + std::to_string(message.id) + " was confirmed and is lost");
    if (!message.removal_tried) {
      auto& [there, gone] = groups[message.group];
      ++(is_there ? there : gone);
    }
    if (message.published > synced_) ++(is_there ? counts_.unsynced_kept : counts_.unsynced_lost);
    if (const auto moved = moves_.find(message.group); moved != moves_.end()) {
      const bool old_there = present_.contains(moved->second);
      if (is_there && old_there) problem("a moved message is in both places");
      const auto old = messages_.find(moved->second);
      if (!is_there && !old_there && !message.removal_tried && old != messages_.end() &&
          old->second.published <= synced_)
        problem("a moved message is in neither place");
      moves_.erase(moved);
    }
    ++at;
  }
  for (const auto& [group, counts] : groups)
    if (counts.first > 0 && counts.second > 0) problem("a group is there in part");
  std::erase_if(messages_, [&](const auto& item) { return !present_.contains(item.first); });
  for (auto& [key, message] : messages_) {
    message.published = 0;
    message.removed = kNever;
    message.removal_tried = false;
  }
  moves_.clear();
}

void Model::check_values() {
  for (auto& [key, history] : values_) {
    const int now = current_value(key);
    int expected = 0;
    for (const Value& value : history)
      if (value.commit <= synced_) expected = value.value;
    bool may_be = now == expected;
    for (const Value& value : history)
      if (value.commit > synced_ && value.value == now) may_be = true;
    if (!may_be) problem("a value is " + std::to_string(now) + ", not " + std::to_string(expected));
    history = {{now, 0}};
  }
}

}  // namespace

std::vector<std::string> run_model(const ModelRun& run, ModelCounts& counts) {
  return Model(run, counts).run();
}

}  // namespace pannier::spool
