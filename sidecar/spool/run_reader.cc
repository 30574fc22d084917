#include "sidecar/spool/run_reader.h"

#include <algorithm>

#include "sidecar/spool/scanner.h"

namespace pannier::spool {
namespace {

Result<std::vector<Entry>> read_run(const File& file, const SealedPart& segment,
                                    const RunInfo& info) {
  const RecordKeys keys(checksum_seed(segment.header.number, segment.header.salt), segment.key);
  auto record = read_record(file, keys, info.offset, info.record_bytes, RecordType::run);
  if (!record) return record.error();
  auto entries = decode_run(record->meta(), segment.header.number);
  if (!entries || entries->empty()) return entries;
  if (lane_of(entries->front()) == info.lane) return entries;
  return Error{Errc::corrupt,
               "a run of another queue stands at offset " + std::to_string(info.offset)};
}

Result<std::vector<Entry>> find_run(const File& file, const SealedPart& segment, Lane lane) {
  std::vector<Entry> entries;
  const auto visit = [&](const Scanned& found) {
    if (found.record.header.type != RecordType::message) return;
    const auto meta = MessageMeta::decode(found.record.meta());
    if (!meta) return;
    std::uint32_t ordinal = found.record.header.first_ordinal;
    if (ordinal + meta->targets.size() > kEntriesPerSegmentMax) return;
    for (const Target& target : meta->targets) {
      const auto at = static_cast<Ordinal>(ordinal++);
      if (Lane{target.queue, target.priority} != lane) continue;
      entries.push_back(entry_of(target, *meta, segment.header.number, found.at,
                                 found.record.header.bytes_on_disk(), at));
    }
  };
  auto done = replay(file, segment.header, segment.data_end, segment.data_end, visit, segment.key);
  if (!done) return done.error();
  std::ranges::sort(entries, {}, &Entry::sequence);
  return entries;
}

}  // namespace

Result<LoadedRun> load_run(const File& file, const SealedPart& segment, const RunInfo& info) {
  auto read = read_run(file, segment, info);
  if (read) return LoadedRun{std::move(*read), {}};
  if (read.error().code != Errc::corrupt) return read.error();
  auto found = find_run(file, segment, info.lane);
  if (!found) return found.error();
  return LoadedRun{std::move(*found), read.error()};
}

}  // namespace pannier::spool
