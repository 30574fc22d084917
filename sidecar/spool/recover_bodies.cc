#include "sidecar/spool/recover_bodies.h"

#include <algorithm>
#include <map>

#include "sidecar/spool/run_reader.h"

namespace pannier::spool {
namespace {

class BodyRecovery {
 public:
  using Lost = std::function<void(SegmentNumber, const std::string& what)>;

  BodyRecovery(Index& index, Bodies& bodies, const Lost& lost)
      : index_(index), bodies_(bodies), lost_(lost) {}

  Result<void> run() {
    for (const auto& [number, segment] : index_.segments())
      for (const PartInfo& part : segment->parts)
        parts_[part.body_id][part.index] = {number, part.offset, part.record_bytes};
    for (auto& [number, segment] : index_.segments())
      if (!segment->bodies.empty())
        if (auto done = find_readers(*segment); !done) return done;
    return {};
  }

 private:
  struct Found {
    BodyInfo info;
    std::vector<Bodies::Reader> live;
    Offset message_at = 0;
  };

  Result<void> find_readers(Segment& segment) {
    std::vector<Found> found;
    for (const BodyInfo& body : segment.bodies) found.push_back({body, {}, 0});
    std::ranges::sort(found, {}, [](const Found& body) { return body.info.first_ordinal; });
    for (const Run& run : segment.runs()) {
      if (run.live == 0) continue;
      if (!run.resident.empty()) {
        note_live(segment, run.resident, found);
        continue;
      }
      auto loaded = load_run(*segment.file().file,
                             {segment.header(), segment.data_end, segment.keys().key}, run.info);
      if (!loaded) return loaded.error();
      note_live(segment, loaded->entries, found);
    }
    for (Found& body : found)
      if (!body.live.empty()) finish(segment.number(), body);
    return {};
  }

  void note_live(const Segment& segment, const std::vector<Entry>& entries,
                 std::vector<Found>& found) const {
    for (const Entry& entry : entries) {
      auto body = std::ranges::upper_bound(found, entry.ordinal, {},
                                           [](const Found& at) { return at.info.first_ordinal; });
      if (body == found.begin()) continue;
      --body;
      if (entry.ordinal >= body->info.first_ordinal + body->info.entries) continue;
      if (!index_.is_live(segment, entry)) continue;
      body->message_at = entry.offset;
      body->live.push_back({entry.queue, entry.sequence});
    }
  }

  void finish(SegmentNumber number, Found& body) {
    const BodyId id = body.info.body_id;
    const auto& parts = parts_[id];
    bodies_.begin(id);
    for (const auto& [part_index, part] : parts) bodies_.place(id, part_index, part);
    std::vector<Bodies::Part>& placed = bodies_.find(id)->parts;
    placed.resize(std::max<std::size_t>(placed.size(), body.info.parts));
    bodies_.add_message(id, {{number, body.message_at}, std::move(body.live)});
    if (parts.size() < body.info.parts)
      lost_(number, std::to_string(body.info.parts - parts.size()) + " of " +
                        std::to_string(body.info.parts) + " parts of the message at byte " +
                        std::to_string(body.message_at));
  }

  Index& index_;
  Bodies& bodies_;
  const Lost& lost_;
  std::map<BodyId, std::map<std::uint32_t, Bodies::Part>> parts_;
};

}  // namespace

Result<void> recover_bodies(
    Index& index, Bodies& bodies,
    const std::function<void(SegmentNumber, const std::string& what)>& lost) {
  return BodyRecovery(index, bodies, lost).run();
}

}  // namespace pannier::spool
