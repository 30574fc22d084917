// PublishBatch: messages as NDJSON, for one all-or-nothing request of POST .../messages.
//
// A value; one thread. It holds at most what an agent takes: kMessagesMax and kBytesMax.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pannier::cli {

struct MessageTraits {
  std::string id;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
};

class PublishBatch {
 public:
  static constexpr std::size_t kMessagesMax = 4'096;
  static constexpr std::size_t kBytesMax = 4u << 20;

  // False, and nothing has changed, where it has no room for it beside the others. A message that
  // is too large alone is taken alone: the agent says what it thinks of it.
  bool add(std::string_view body, const MessageTraits& traits);

  bool empty() const { return size_ == 0; }
  const std::string& text() const { return text_; }
  void clear() { *this = {}; }

 private:
  std::string text_;
  std::size_t size_ = 0;
};

// Of a body whose sender names none: JSON, text, or bytes.
std::string content_type_of(std::string_view body);

}  // namespace pannier::cli
