#include "sidecar/queue/deduplication.h"

#include <algorithm>

#include "common/log.h"
#include "sidecar/queue/definition.h"

namespace pannier::queue {
namespace {

using Number = DedupWindow::Number;
using Held = DedupWindow::Held;
using std::chrono::milliseconds;

constexpr milliseconds kGarbageDelay{1'000};
constexpr milliseconds kLookMax{3'600'000};
constexpr std::size_t kGarbagePerGroup = 256;
constexpr std::size_t kHeldSize = 16;

// queue u32 | kind u8 | what it names: a chunk's number u64, a place u16, or a producer's hash 12
enum class Kind : std::uint8_t { chunk = 'c', single = 'i', producer = 'p' };

Bytes key_of_kind(QueueId queue, Kind kind) {
  Bytes key;
  ByteWriter out(key);
  out.be(queue);
  out.u8(static_cast<std::uint8_t>(kind));
  return key;
}

// Big-endian: chunks come in their order.
Bytes chunk_key(QueueId queue, Number chunk) {
  Bytes key = key_of_kind(queue, Kind::chunk);
  ByteWriter(key).be(chunk);
  return key;
}

Bytes single_key(QueueId queue, Number number) {
  Bytes key = key_of_kind(queue, Kind::single);
  ByteWriter(key).be(static_cast<std::uint16_t>(number % kDedupChunk));
  return key;
}

Bytes producer_key(QueueId queue, const DedupId& producer) {
  Bytes key = key_of_kind(queue, Kind::producer);
  ByteWriter(key).bytes(producer.hash);
  return key;
}

void append(ByteWriter& out, const Held& held) {
  out.bytes(held.id.hash);
  out.le(held.second);
}

DedupId read_id(ByteReader& in) {
  DedupId id;
  const ByteView hash = in.bytes(id.hash.size());
  std::copy(hash.begin(), hash.end(), id.hash.begin());
  return id;
}

Held read_held(ByteReader& in) {
  Held held;
  held.id = read_id(in);
  held.second = in.le<std::uint32_t>();
  return held;
}

// Numbers that a damaged record has left out are nobody's.
void push_at(DedupWindow& window, Number number, const Held& held) {
  constexpr Number kGapMax = 1 << 20;
  if (number < window.next()) return;
  if (window.empty() || number - window.next() > kGapMax) {
    while (!window.empty()) window.pop();
    window.start_at(number);
  }
  while (window.next() < number) window.push({{}, held.second});
  window.push(held);
}

bool is_over(std::uint32_t second, milliseconds window, std::int64_t now_ms) {
  return (std::int64_t{second} + 1) * 1000 + window.count() <= now_ms;
}

}  // namespace

Deduplication::Deduplication(spool::Spool& spool, const Clock& clock)
    : spool_(spool), clock_(clock) {}

std::uint32_t Deduplication::second() const {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(0, clock_.now_ms()) / 1000);
}

void Deduplication::recover() {
  std::map<QueueId, std::vector<Single>> singles;
  spool_.for_each_queue([this](QueueId id, ByteView) { queues_[id]; });
  spool_.for_each_state(kDedupState, [this, &singles](ByteView key, ByteView value) {
    recover_one(key, value, singles);
  });
  for (auto& [id, all] : singles) {
    std::ranges::sort(all, {}, &Single::first);
    for (const auto& [number, held] : all) push_at(queues_[id].window, number, held);
  }
  for (auto at = queues_.begin(); at != queues_.end();) {
    OfQueue& of = at->second;
    of.chunks_from = of.window.first() / kDedupChunk;
    at = of.window.empty() && of.producers.empty() ? queues_.erase(at) : std::next(at);
  }
}

void Deduplication::recover_one(ByteView key, ByteView value,
                                std::map<QueueId, std::vector<Single>>& singles) {
  ByteReader name(key);
  const QueueId id = name.be<QueueId>();
  const auto kind = static_cast<Kind>(name.u8());
  const auto of = queues_.find(id);
  if (of == queues_.end()) return discard({key.begin(), key.end()});
  ByteReader in(value);
  if (kind == Kind::chunk) {
    const Number first = in.le<Number>();
    for (Number number = first; in.left() >= kHeldSize; ++number)
      push_at(of->second.window, number, read_held(in));
  } else if (kind == Kind::single) {
    const Number number = in.le<Number>();
    singles[id].emplace_back(number, read_held(in));
  } else if (kind == Kind::producer) {
    const std::uint64_t sequence = in.le<std::uint64_t>();
    const std::uint32_t when = in.le<std::uint32_t>();
    const DedupId producer = read_id(name);
    of->second.producers[producer] = {sequence, when};
    of->second.by_second.emplace(when, producer);
  }
  if (!in.done() || !name.ok())
    log::error("what a queue remembers of its messages is damaged in part", {{"queue_id", id}});
}

// What was kept by message id says nothing about producers, and the reverse.
void Deduplication::configure(QueueId queue, const QueueSettings& settings) {
  const auto found = queues_.find(queue);
  if (found == queues_.end() && !settings.dedup) return;
  OfQueue& of = found == queues_.end() ? queues_[queue] : found->second;
  const bool is_by_id = settings.dedup && settings.dedup->by == DedupBy::message_id;
  const bool fits = settings.dedup && (is_by_id ? of.producers.empty() : of.window.empty());
  if (!fits) forget_all(queue, of);
  of.dedup = settings.dedup;
  of.is_journaled = settings.durability != Durability::memory;
  if (of.dedup) apply_ids(queue, of, {});
}

Result<std::optional<Deduplication::Key>> Deduplication::key_of(QueueId queue,
                                                                const Message& message) const {
  using Found = std::optional<Key>;
  const auto of = queues_.find(queue);
  if (of == queues_.end() || !of->second.dedup) return Found();
  const auto properties = Properties::decode(message.properties());
  if (!properties) return properties.error();
  if (of->second.dedup->by == DedupBy::message_id) {
    if (!properties->message_id || properties->message_id->empty()) return Found();
    return Found(Key{dedup_id_of(*properties->message_id), {}});
  }
  if (!properties->headers) return Found();
  const Value* producer = properties->headers->find("x-producer");
  const Value* sequence = properties->headers->find("x-sequence");
  if (producer == nullptr && sequence == nullptr) return Found();
  const std::string* name = producer == nullptr ? nullptr : producer->as_text();
  const std::int64_t number = sequence == nullptr ? -1 : sequence->as_integer().value_or(-1);
  if (name == nullptr || name->empty() || number < 0)
    return Error{Errc::precondition,
                 "invalid headers 'x-producer' and 'x-sequence': the queue compares them, so that "
                 "a name and a number from 0 on are expected, both or neither"};
  return Found(Key{dedup_id_of(*name), static_cast<std::uint64_t>(number)});
}

bool Deduplication::holds(QueueId queue, const Key& key, const Growth& growth) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return false;
  OfQueue& of = found->second;
  expire(queue, of);
  const auto added = growth.added_.find({queue, key.id});
  if (!key.sequence) return added != growth.added_.end() || of.window.contains(key.id);
  if (added != growth.added_.end()) return *key.sequence <= added->second;
  const auto producer = of.producers.find(key.id);
  return producer != of.producers.end() && *key.sequence <= producer->second.sequence;
}

void Deduplication::add(QueueId queue, const Key& key, Growth& growth) {
  growth.added_[{queue, key.id}] = key.sequence;
  if (!key.sequence) growth.ids_[queue].push_back(key.id);
}

void Deduplication::put(spool::Group& group, const Growth& growth) const {
  for (const auto& [id, added] : growth.ids_)
    if (const OfQueue& of = queues_.at(id); of.is_journaled) put_ids(group, id, of, added);
  for (const auto& [of_queue, sequence] : growth.added_) {
    const auto& [id, producer] = of_queue;
    if (!sequence || !queues_.at(id).is_journaled) continue;
    Bytes value;
    ByteWriter out(value);
    out.le(*sequence);
    out.le(second());
    group.put(kDedupState, producer_key(id, producer), value);
  }
}

// Chunks that become whole are written in one piece; what comes after them, one by one.
void Deduplication::put_ids(spool::Group& group, QueueId id, const OfQueue& of,
                            const std::vector<DedupId>& added) const {
  const Number from = of.window.next();
  const Number end = from + added.size();
  const auto held_at = [&](Number number) {
    return number < from ? of.window.at(number)
                         : Held{added[static_cast<std::size_t>(number - from)], second()};
  };
  for (Number chunk = from / kDedupChunk; chunk < end / kDedupChunk; ++chunk) {
    const Number first = std::max(chunk * kDedupChunk, of.window.first());
    Bytes value;
    ByteWriter out(value);
    out.le(first);
    for (Number number = first; number < (chunk + 1) * kDedupChunk; ++number)
      append(out, held_at(number));
    group.put(kDedupState, chunk_key(id, chunk), value);
  }
  for (Number number = std::max(from, end / kDedupChunk * kDedupChunk); number < end; ++number) {
    Bytes value;
    ByteWriter out(value);
    out.le(number);
    append(out, held_at(number));
    group.put(kDedupState, single_key(id, number), value);
  }
}

void Deduplication::apply(const Growth& growth, Commit commit) {
  for (const auto& [id, added] : growth.ids_) apply_ids(id, queues_.at(id), added);
  for (const auto& [of_queue, sequence] : growth.added_) {
    const auto& [id, producer] = of_queue;
    OfQueue& of = queues_.at(id);
    of.commit = std::max(of.commit, commit);
    if (!sequence) continue;
    note(of, producer, *sequence);
    if (!garbage_.empty()) garbage_.erase(producer_key(id, producer));
    const std::uint64_t most = std::min<std::uint64_t>(of.dedup->ids_max, kProducersMax);
    while (of.producers.size() > most) forget_producer(id, of);
  }
}

// And the limit: the oldest make room.
void Deduplication::apply_ids(QueueId id, OfQueue& of, const std::vector<DedupId>& added) {
  for (const DedupId& each : added) {
    if (!garbage_.empty()) garbage_.erase(single_key(id, of.window.next()));
    of.window.push({each, second()});
  }
  while (of.window.size() > of.dedup->ids_max) pop(id, of);
  if (!of.window.empty() || !of.producers.empty() || !added.empty()) look_in(until_next(of));
}

void Deduplication::note(OfQueue& of, const DedupId& producer, std::uint64_t sequence) {
  const auto [at, is_new] = of.producers.try_emplace(producer);
  if (!is_new) of.by_second.erase({at->second.second, producer});
  at->second = {sequence, second()};
  of.by_second.emplace(at->second.second, producer);
  look_in(until_next(of));
}

Commit Deduplication::commit_of(QueueId queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.commit;
}

std::size_t Deduplication::ids(QueueId queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.window.size() + found->second.producers.size();
}

void Deduplication::expire(QueueId id, OfQueue& of) {
  if (!of.dedup) return;
  const std::int64_t now = clock_.now_ms();
  while (!of.window.empty() &&
         is_over(of.window.at(of.window.first()).second, of.dedup->window, now))
    pop(id, of);
  while (!of.by_second.empty() && is_over(of.by_second.begin()->first, of.dedup->window, now))
    forget_producer(id, of);
}

void Deduplication::pop(QueueId id, OfQueue& of) {
  of.window.pop();
  while (of.chunks_from < of.window.first() / kDedupChunk) discard(chunk_key(id, of.chunks_from++));
}

void Deduplication::forget_producer(QueueId id, OfQueue& of) {
  const DedupId producer = of.by_second.begin()->second;
  discard(producer_key(id, producer));
  of.producers.erase(producer);
  of.by_second.erase(of.by_second.begin());
}

// Numbers go on: what is erased late is not what comes next.
void Deduplication::forget_all(QueueId id, OfQueue& of) {
  const Number places = std::min<Number>(of.window.next(), kDedupChunk);
  for (Number place = 0; place < places; ++place) discard(single_key(id, place));
  while (!of.window.empty()) pop(id, of);
  while (!of.by_second.empty()) forget_producer(id, of);
}

void Deduplication::drop(QueueId queue) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  forget_all(queue, found->second);
  queues_.erase(found);
}

void Deduplication::discard(Bytes key) {
  garbage_.insert(std::move(key));
  look_in(kGarbageDelay);
}

// False: the spool has no room to note it now.
bool Deduplication::journal_garbage() {
  while (!garbage_.empty()) {
    spool::Group group;
    auto end = garbage_.begin();
    for (std::size_t count = 0; count < kGarbagePerGroup && end != garbage_.end(); ++count, ++end)
      group.erase(kDedupState, *end);
    if (!spool_.append(group)) return false;
    garbage_.erase(garbage_.begin(), end);
  }
  return true;
}

void Deduplication::look_in(Clock::duration time) {
  const Clock::time_point when = clock_.now() + time;
  look_at_ = std::min(look_at_.value_or(when), when);
}

// By chunks, so that an idle queue wakes nobody for each of its ids.
milliseconds Deduplication::until_next(const OfQueue& of) const {
  std::int64_t second = 0;
  if (!of.window.empty()) {
    const Number last = (of.window.first() / kDedupChunk + 1) * kDedupChunk - 1;
    second = of.window.at(std::min(last, of.window.next() - 1)).second;
  }
  if (!of.by_second.empty()) second = std::max<std::int64_t>(second, of.by_second.begin()->first);
  const std::int64_t due = (second + 1) * 1000 + of.dedup->window.count();
  return std::clamp(milliseconds(due - clock_.now_ms()), kGarbageDelay, kLookMax);
}

void Deduplication::on_time(Clock::time_point now) {
  if (!look_at_ || *look_at_ > now) return;
  look_at_.reset();
  for (auto& [id, of] : queues_) {
    if (!of.dedup) continue;
    expire(id, of);
    if (!of.window.empty() || !of.producers.empty()) look_in(until_next(of));
  }
  if (!garbage_.empty() && !journal_garbage()) look_in(kGarbageDelay);
}

}  // namespace pannier::queue
