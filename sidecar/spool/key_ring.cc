#include "sidecar/spool/key_ring.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "common/files.h"

namespace pannier::spool {
namespace {

constexpr std::string_view kCurrent = "current";
constexpr std::size_t kFileBytesMax = 128;

// A file's text, wiped when it is done with.
class Secret {
 public:
  explicit Secret(std::string text) : text_(std::move(text)) {}
  ~Secret() { OPENSSL_cleanse(text_.data(), text_.size()); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  std::string_view text() const { return text_; }

 private:
  std::string text_;
};

std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::optional<std::uint32_t> number_in(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_plain = text.size() == 1 || !text.starts_with('0');
  if (error != std::errc() || end != text.data() + text.size() || !is_plain) return {};
  return number;
}

// Who can write a key, or which one is used, can read what is encrypted with it. The folder of a
// Secret's volume is anybody's to write by its mode, and sticky: nobody takes files of others away.
Result<void> check_owner_writes(const std::string& path) {
  using std::filesystem::perms;
  std::error_code failed;
  const perms mode = std::filesystem::status(path, failed).permissions();
  if (failed) return Error{Errc::bad_config, path + ": " + failed.message()};
  const bool is_owners = (mode & (perms::group_write | perms::others_write)) == perms::none;
  if (is_owners || (mode & perms::sticky_bit) != perms::none) return {};
  return Error{Errc::bad_config,
               path + ": others than its owner may write it; take that from them (chmod go-w)"};
}

int digit_of(char text) {
  if (text >= '0' && text <= '9') return text - '0';
  if (text >= 'a' && text <= 'f') return text - 'a' + 10;
  if (text >= 'A' && text <= 'F') return text - 'A' + 10;
  return -1;
}

bool read_key(std::string_view text, KeyBytes& into) {
  if (text.size() == into.size()) {
    std::ranges::copy(as_bytes(text), into.begin());
    return true;
  }
  text = without_newline(text);
  if (text.size() != 2 * into.size()) return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

class Loader {
 public:
  explicit Loader(const std::string& folder) : folder_(folder) {}
  ~Loader() {
    for (auto& [id, key] : keys_) OPENSSL_cleanse(key.data(), key.size());
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  Result<std::shared_ptr<const KeyRing>> run() {
    std::error_code failed;
    for (std::filesystem::directory_iterator at(folder_, failed), end; !failed && at != end;
         at.increment(failed))
      if (auto done = look_at(at->path().filename().string()); !done) return done.error();
    if (failed) return Error{Errc::bad_config, folder_ + ": " + failed.message()};
    if (auto safe = check_owner_writes(folder_); !safe) return safe.error();
    if (!current_)
      return Error{Errc::bad_config, folder_ +
                                         ": no file 'current' says which key to use; put the "
                                         "number of one into it, or 0 for none"};
    if (*current_ != 0 && !keys_.contains(*current_))
      return Error{Errc::bad_config, folder_ + "/current names key " + std::to_string(*current_) +
                                         ", and there is no file of that name"};
    return std::shared_ptr<const KeyRing>(std::make_shared<KeyRing>(keys_, *current_));
  }

 private:
  Result<void> look_at(const std::string& name) {
    if (name.starts_with('.')) return {};
    const std::string path = folder_ + "/" + name;
    const auto id = number_in(name);
    if (name != kCurrent && (!id || *id == 0))
      return Error{Errc::bad_config, path +
                                         ": a key's file is named by its number, from 1 on, and "
                                         "nothing else belongs here"};
    if (auto safe = check_owner_writes(path); !safe) return safe;
    auto text = read_file(path, kFileBytesMax);
    if (!text) return Error{Errc::bad_config, text.error().detail};
    const Secret secret(std::move(*text));
    if (name == kCurrent) {
      current_ = number_in(without_newline(secret.text()));
      if (!current_) return Error{Errc::bad_config, path + ": expects the number of a key"};
      return {};
    }
    if (keys_.size() >= KeyRing::kKeysMax)
      return Error{Errc::bad_config, folder_ + ": more than " + std::to_string(KeyRing::kKeysMax) +
                                         " keys; remove those that nothing is encrypted with"};
    if (read_key(secret.text(), keys_[*id])) return {};
    return Error{Errc::bad_config, path + ": expects a key of 32 bytes, or their 64 hex digits"};
  }

  std::string folder_;
  std::map<std::uint32_t, KeyBytes> keys_;
  std::optional<std::uint32_t> current_;
};

}  // namespace

Result<std::shared_ptr<const KeyRing>> KeyRing::load(const std::string& folder) {
  return Loader(folder).run();
}

KeyRing::KeyRing(std::map<std::uint32_t, KeyBytes> keys, std::uint32_t current)
    : keys_(std::move(keys)), current_(current) {}

KeyRing::~KeyRing() {
  for (auto& [id, key] : keys_) OPENSSL_cleanse(key.data(), key.size());
}

bool KeyRing::agrees_with(const KeyRing& other, std::uint32_t id) const {
  const auto ours = keys_.find(id), theirs = other.keys_.find(id);
  if (ours == keys_.end() || theirs == other.keys_.end())
    return ours == keys_.end() && theirs == other.keys_.end();
  return CRYPTO_memcmp(ours->second.data(), theirs->second.data(), ours->second.size()) == 0;
}

bool KeyRing::is_same_as(const KeyRing& other) const {
  return current_ == other.current_ && keys_.size() == other.keys_.size() &&
         std::ranges::all_of(keys_, [&](const auto& key) { return agrees_with(other, key.first); });
}

std::shared_ptr<const SegmentKey> KeyRing::key_of(const SegmentHeader& header) const {
  const auto found = keys_.find(header.key_id);
  if (found == keys_.end()) return {};
  return std::make_shared<SegmentKey>(found->second, header);
}

}  // namespace pannier::spool
