// WatchingDisk: a disk that notes the nonce of every encrypted record that is written to it, by the
// segment's life, before the file is used again.
//
// Owned by the test, with the disk behind it and the log, which outlive it. Any thread that the
// test's executors run on, which is one.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "sidecar/spool/format.h"
#include "sidecar/spool/segment_files.h"

namespace pannier::spool {

struct NonceLog {
  std::set<std::pair<Salt, std::string>> nonces;  // the salt stands for the key
  std::map<std::string, SegmentHeader> lives;     // by file, the one that it has now
  std::map<std::string, std::size_t> segments;    // how many a file has had
  std::uint64_t repeated = 0;
  std::uint64_t plain = 0;           // records without a key
  std::uint64_t not_understood = 0;  // writes in which something else stands

  std::size_t segments_per_file_max() const {
    std::size_t most = 0;
    for (const auto& [file, count] : segments) most = std::max(most, count);
    return most;
  }

  void note(const std::string& file, Offset at, ByteView bytes) {
    if (std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; })) return;
    if (at == 0) {
      lives[file] = SegmentHeader::decode(bytes).value();
      ++segments[file];
      return;
    }
    if (SegmentTrailer::decode(bytes)) return;
    const std::size_t begin = BatchHeader::decode(bytes, at) ? BatchHeader::kSize : 0;
    note_records(lives[file], at, bytes, begin);
  }

 private:
  void note_records(const SegmentHeader& life, Offset at, ByteView bytes, std::size_t from) {
    const std::uint32_t seed = checksum_seed(life.number, life.salt);
    while (from < bytes.size()) {
      const ByteView rest = bytes.subspan(from);
      const auto header = RecordHeader::decode(rest, seed, at + static_cast<Offset>(from));
      if (!header) {
        const bool is_padding =
            std::ranges::all_of(rest, [](std::byte byte) { return byte == std::byte{0}; });
        not_understood += is_padding ? 0 : 1;
        return;
      }
      from += header->bytes_on_disk();
      plain += header->key_id == 0 ? 1 : 0;
      const auto nonce = as_text(rest.subspan(RecordHeader::kSize, RecordHeader::kNonceSize));
      repeated += nonces.emplace(life.salt, nonce).second ? 0 : 1;
    }
  }
};

class WatchingFile final : public File {
 public:
  WatchingFile(std::unique_ptr<File> file, std::string name, NonceLog& log)
      : file_(std::move(file)), name_(std::move(name)), log_(log) {}

  Result<void> write(std::uint64_t at, std::span<const ByteView> pieces) override {
    Bytes all;
    for (const ByteView piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
    if (SegmentFiles::is_segment_name(name_)) log_.note(name_, static_cast<Offset>(at), all);
    return file_->write(at, pieces);
  }
  Result<std::size_t> read(std::uint64_t at, std::span<std::byte> into) const override {
    return file_->read(at, into);
  }
  Result<void> sync() override { return file_->sync(); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Result<void> allocate(std::uint64_t size) override { return file_->allocate(size); }

 private:
  std::unique_ptr<File> file_;
  std::string name_;
  NonceLog& log_;
};

class WatchingDisk final : public Disk {
 public:
  WatchingDisk(Disk& disk, NonceLog& log) : disk_(disk), log_(log) {}

  Result<std::unique_ptr<File>> open(std::string_view name) override {
    return watched(disk_.open(name), name);
  }
  Result<std::unique_ptr<File>> create(std::string_view name) override {
    return watched(disk_.create(name), name);
  }
  Result<void> remove(std::string_view name) override { return disk_.remove(name); }
  Result<void> rename(std::string_view from, std::string_view to) override {
    return disk_.rename(from, to);
  }
  Result<std::vector<FileInfo>> list() const override { return disk_.list(); }
  Result<void> sync_folder() override { return disk_.sync_folder(); }
  Result<Space> space() const override { return disk_.space(); }
  Result<std::unique_ptr<FolderLock>> lock() override { return disk_.lock(); }

 private:
  Result<std::unique_ptr<File>> watched(Result<std::unique_ptr<File>> file,
                                        std::string_view name) const {
    if (!file) return file;
    return std::unique_ptr<File>(
        std::make_unique<WatchingFile>(std::move(*file), std::string(name), log_));
  }

  Disk& disk_;
  NonceLog& log_;
};

}  // namespace pannier::spool
