#include "sidecar/spool/sealer.h"

#include <array>
#include <cassert>

#include "sidecar/spool/record_io.h"

namespace pannier::spool {
namespace {

// One index record at the end of `out`, which will stand at `begin` in the file.
std::pair<Offset, std::uint32_t> put_record(RecordType type, const Bytes& payload,
                                            const RecordKeys& keys, Offset begin, Bytes& out) {
  const Offset at = begin + static_cast<Offset>(out.size());
  RecordHeader header;
  header.type = type;
  header.meta = static_cast<std::uint32_t>(payload.size());
  set_stored(header, header.meta, keys);
  const std::size_t start = out.size();
  out.resize(start + header.bytes_on_disk());
  const ByteView view(payload);
  write_record(header, {&view, 1}, keys, at, out.data() + start);
  return {at, header.bytes_on_disk()};
}

}  // namespace

Footer prepare_footer(Segment& segment) {
  segment.sort_runs();
  Footer footer;
  footer.trailer.header = segment.header();
  footer.keys = segment.keys();
  footer.trailer.data_end = segment.data_end;
  footer.trailer.entries = segment.entries;
  for (Run& run : segment.runs()) {
    footer.lanes.push_back(run.info.lane);
    footer.runs.push_back(run.ordered());
    footer.core.runs.push_back(run.info);
  }
  for (const auto& [number, target] : segment.settles) footer.core.settles.push_back(target);
  for (const auto& [key, item] : segment.states) footer.core.states.push_back(item);
  footer.core.parts = segment.parts;
  footer.core.bodies = segment.bodies;
  return footer;
}

Result<std::vector<RunInfo>> write_footer(Footer footer, File& file) {
  constexpr std::size_t kChunk = 1u << 20;
  SegmentTrailer& trailer = footer.trailer;
  Offset begin = trailer.data_end;
  Bytes out;
  Bytes payload;
  const auto flush = [&]() -> Result<void> {
    const ByteView view(out);
    auto done = file.write(begin, {&view, 1});
    begin += static_cast<Offset>(out.size());
    out.clear();
    return done;
  };
  for (std::size_t i = 0; i < footer.runs.size(); ++i) {
    payload.clear();
    encode_run(footer.lanes[i], footer.runs[i], payload);
    RunInfo& info = footer.core.runs[i];
    std::tie(info.offset, info.record_bytes) =
        put_record(RecordType::run, payload, footer.keys, begin, out);
    std::vector<Entry>().swap(footer.runs[i]);
    if (out.size() >= kChunk)
      if (auto done = flush(); !done) return done.error();
  }
  payload.clear();
  footer.core.encode(payload);
  std::tie(trailer.core_offset, trailer.core_bytes) =
      put_record(RecordType::core, payload, footer.keys, begin, out);
  if (auto done = flush(); !done) return done.error();
  const Offset trailer_at = trailer.header.segment_bytes - kPageSize;
  assert(begin <= trailer_at);
  if (auto done = file.sync(); !done) return done.error();
  std::array<std::byte, kPageSize> page{};
  trailer.encode(page.data());
  const ByteView view(page);
  if (auto done = file.write(trailer_at, {&view, 1}); !done) return done.error();
  if (auto done = file.sync(); !done) return done.error();
  return std::move(footer.core.runs);
}

}  // namespace pannier::spool
