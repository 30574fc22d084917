#include "sidecar/spool/found_segments.h"

#include <algorithm>
#include <array>

#include "common/log.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/segment_files.h"

namespace pannier::spool {
namespace {

using Page = std::array<std::byte, kPageSize>;

Result<ByteView> read_page(const File& file, std::uint64_t at, Page& page) {
  auto got = file.read(at, page);
  if (!got) return got.error();
  return ByteView(page).first(*got);
}

Result<std::optional<SegmentHeader>> header_of(const File& file) {
  Page page;
  auto first = read_page(file, 0, page);
  if (!first) return first.error();
  return SegmentHeader::decode(*first);
}

// The trailer of this life of the file, or of whichever when the header is not known.
Result<std::optional<SegmentTrailer>> trailer_of(const File& file, std::uint32_t segment_bytes,
                                                 const std::optional<SegmentHeader>& header) {
  Page page;
  auto last = read_page(file, segment_bytes - kPageSize, page);
  if (!last) return last.error();
  auto trailer = SegmentTrailer::decode(*last);
  const bool of_last_life =
      trailer && header &&
      (trailer->header.number != header->number || trailer->header.salt != header->salt);
  const bool is_sound = trailer && trailer->header.segment_bytes == segment_bytes &&
                        trailer->data_end >= kPageSize && trailer->data_end <= segment_bytes &&
                        trailer->data_end % kPageSize == 0 &&
                        trailer->entries <= kEntriesPerSegmentMax;
  if (of_last_life || !is_sound) trailer.reset();
  return trailer;
}

// The header page is damaged: every batch says which segment it belongs to, and its first record
// what the segment is encrypted with.
Result<std::optional<SegmentHeader>> header_from_batches(const File& file, const Uuid& spool_id,
                                                         std::uint32_t segment_bytes) {
  std::optional<SegmentHeader> found;
  for (Offset at = kPageSize; at + kPageSize < segment_bytes; at += kPageSize) {
    std::array<std::byte, BatchHeader::kSize + RecordHeader::kSize> bytes;
    auto got = file.read(at, bytes);
    if (!got) return got.error();
    const auto batch = BatchHeader::decode(ByteView(bytes).first(*got), at);
    if (!batch || (found && batch->salt != found->salt)) continue;
    if (!found) {
      found.emplace();
      found->number = batch->number;
      found->salt = batch->salt;
      found->spool_id = spool_id;
      found->segment_bytes = segment_bytes;
      found->created_ms = batch->written_ms;
      found->needs = SegmentHeader::kCompressed;  // perhaps
    }
    const auto record = RecordHeader::decode(ByteView(bytes).subspan(BatchHeader::kSize),
                                             checksum_seed(batch->number, batch->salt),
                                             at + static_cast<Offset>(BatchHeader::kSize));
    if (!record) continue;
    found->key_id = record->key_id;
    if (record->key_id != 0) found->needs |= SegmentHeader::kEncrypted;
    break;
  }
  return found;
}

// The key is right if any record opens with it, and wrong if some are whole and none does.
Result<bool> opens(const FoundSegment& segment) {
  const SegmentHeader& header = segment.header;
  const RecordKeys keys(checksum_seed(header.number, header.salt), segment.key);
  bool is_whole = false;
  const auto try_record = [&](Offset at) -> Result<bool> {
    std::array<std::byte, RecordHeader::kSize> bytes;
    auto got = segment.file.file->read(at, bytes);
    if (!got) return got.error();
    const auto record = RecordHeader::decode(ByteView(bytes).first(*got), keys.seed, at);
    if (!record || at + std::uint64_t{record->bytes_on_disk()} > header.segment_bytes) return false;
    const std::uint32_t size = record->bytes_on_disk();
    auto owner = std::make_shared_for_overwrite<std::byte[]>(size);
    got = segment.file.file->read(at, {owner.get(), size});
    if (!got) return got.error();
    const Slice all(std::move(owner), 0, *got);
    is_whole = is_whole || check_record(all, keys.seed, at);
    return parse_record(all, keys, at).has_value();
  };
  for (Offset at = kPageSize; at + kPageSize < header.segment_bytes; at += kPageSize) {
    auto done = try_record(at + static_cast<Offset>(BatchHeader::kSize));
    if (!done || *done) return done;
  }
  if (segment.trailer) {
    auto done = try_record(segment.trailer->core_offset);
    if (!done || *done) return done;
  }
  return !is_whole;
}

Result<void> unlock(FoundSegment& segment, const KeyRing* keys) {
  const std::uint32_t id = segment.header.key_id;
  if (id == 0) return {};
  segment.key = keys == nullptr ? nullptr : keys->key_of(segment.header);
  if (!segment.key) {
    segment.locked = "is encrypted with key " + std::to_string(id) +
                     ", which is not among the keys: put it back";
    return {};
  }
  auto right = opens(segment);
  if (!right) return right.error();
  if (!*right)
    segment.locked = "does not open with the key " + std::to_string(id) +
                     " that is here: put back the one that it was encrypted with";
  return {};
}

Result<void> read_core(FoundSegment& segment) {
  if (!segment.trailer || !segment.locked.empty()) return {};
  const SegmentTrailer& trailer = *segment.trailer;
  const std::uint64_t end = std::uint64_t{trailer.core_offset} + trailer.core_bytes;
  if (end > segment.header.segment_bytes || trailer.core_bytes < RecordHeader::kSize) return {};
  const RecordKeys keys(checksum_seed(trailer.header.number, trailer.header.salt), segment.key);
  auto record = read_record(*segment.file.file, keys, trailer.core_offset, trailer.core_bytes,
                            RecordType::core);
  if (!record && record.error().code != Errc::corrupt) return record.error();
  auto core = record ? Core::decode(record->meta()) : Result<Core>(record.error());
  if (!core && core.error().code == Errc::wrong_version) return core.error();
  if (core) {
    segment.core = std::move(*core);
    return {};
  }
  log::warn("spool: a footer is damaged; the segment is scanned instead",
            {{"file", segment.file.name}, {"error", core.error().detail}});
  return {};
}

class Finder {
 public:
  Finder(Disk& disk, const Uuid& spool_id, std::uint32_t segment_bytes, const KeyRing* keys)
      : disk_(disk), spool_id_(spool_id), segment_bytes_(segment_bytes), keys_(keys) {}

  Result<FoundFiles> run() {
    auto files = disk_.list();
    if (!files) return files.error();
    for (const FileInfo& info : *files)
      if (auto done = look_at(info); !done) return done.error();
    return std::move(found_);
  }

 private:
  Result<void> look_at(const FileInfo& info) {
    if (!SegmentFiles::is_segment_name(info.name)) {
      found_.others.push_back(info);
      return {};
    }
    auto opened = disk_.open(info.name);
    if (!opened) return opened.error();
    FoundSegment segment;
    segment.file = {info.name, std::shared_ptr<File>(std::move(*opened))};
    segment.size = info.size;
    auto header = identify(segment);
    if (!header) return header.error();
    if (!*header) {
      found_.unused.push_back(std::move(segment.file));
      return {};
    }
    segment.header = **header;
    if (segment.header.spool_id != spool_id_ || segment.header.segment_bytes != segment_bytes_ ||
        found_.segments.contains(segment.header.number)) {
      log::warn(
          "spool: a file looks like a journal segment but is not this spool's; it is left alone",
          {{"file", info.name}, {"segment", segment.header.number}});
      found_.others.push_back(info);
      return {};
    }
    if (!segment.header.is_readable() && segment.header.version <= kFormatVersion)
      return Error{Errc::wrong_version,
                   info.name + " needs a feature that this release does not have (bits " +
                       std::to_string(segment.header.needs & ~SegmentHeader::kNeedsKnown) +
                       "): run the release that wrote it"};
    if (segment.header.version > kFormatVersion)
      return Error{Errc::wrong_version,
                   info.name + " has format version " + std::to_string(segment.header.version) +
                       ", this release reads up to " + std::to_string(kFormatVersion) +
                       ": run the release that wrote it"};
    return take(std::move(segment));
  }

  // The header: from its page, the trailer, or a batch. Nothing for a file that holds nothing.
  Result<std::optional<SegmentHeader>> identify(FoundSegment& segment) {
    const File& file = *segment.file.file;
    auto header = header_of(file);
    if (!header) return header.error();
    const bool is_foreign = *header && (**header).spool_id != spool_id_;
    if (is_foreign) return header;
    auto trailer = trailer_of(file, segment_bytes_, *header);
    if (!trailer) return trailer.error();
    segment.trailer = *trailer;
    if (*header) return header;
    auto found = header_from_batches(file, spool_id_, segment_bytes_);
    if (!found) return found.error();
    // A batch that the trailer does not know is of a later life of the file.
    if (*found && segment.trailer && segment.trailer->header.number != (**found).number)
      segment.trailer.reset();
    if (segment.trailer) return std::optional(segment.trailer->header);
    return found;
  }

  Result<void> take(FoundSegment segment) {
    const SegmentNumber number = segment.header.number;
    if (auto done = unlock(segment, keys_); !done) return done;
    if (auto done = read_core(segment); !done) return done;
    auto before = first_synced(*segment.file.file, segment.header);
    if (!before) return before.error();
    segment.first_synced = *before;
    found_.last_number = std::max({found_.last_number, number, before->segment});
    found_.segments.emplace(number, std::move(segment));
    return {};
  }

  Disk& disk_;
  Uuid spool_id_;
  std::uint32_t segment_bytes_;
  const KeyRing* keys_;
  FoundFiles found_;
};

}  // namespace

Result<FoundFiles> find_segments(Disk& disk, const Uuid& spool_id, std::uint32_t segment_bytes,
                                 const KeyRing* keys) {
  return Finder(disk, spool_id, segment_bytes, keys).run();
}

Result<void> check_key(const FoundSegment& segment, bool requires_encryption) {
  if (!segment.locked.empty())
    return Error{Errc::bad_config, "the spool's file " + segment.file.name + " " + segment.locked};
  if (requires_encryption && segment.header.key_id == 0)
    return Error{Errc::bad_config, "the spool's file " + segment.file.name +
                                       " is not encrypted, and encryption is required: start once "
                                       "without requiring it, until all of it has been moved"};
  return {};
}

}  // namespace pannier::spool
