#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/random.h"
#include "sidecar/http/cloud_events.h"
#include "sidecar/http/json_text.h"

namespace pannier::http {
namespace {

using Json = nlohmann::json;

// Writes down what it reads, without spaces; depth: 1 in the array, 2 in an event.
class EventReader final : public nlohmann::json_sax<Json> {
 public:
  EventReader(std::vector<BatchItem>& into, std::size_t messages_max)
      : items_(into), messages_max_(messages_max) {}

  bool null() override { return scalar("null"); }
  bool boolean(bool value) override { return scalar(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) override { return scalar(std::to_string(value)); }
  bool number_unsigned(std::uint64_t value) override { return scalar(std::to_string(value)); }
  bool number_float(double, const std::string& text) override { return scalar(text); }
  bool string(std::string& value) override {
    if (depth_ == 2 && key_ == "specversion" && value != "1.0")
      return fail("'specversion': expected 1.0");
    if (depth_ == 2 && !value.empty()) note_key();
    std::string quoted;
    append_string(quoted, value);
    return scalar(quoted);
  }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(std::size_t) override {
    if (depth_ == 0) return fail("expected an array");
    if (depth_ > kJsonDepthMax) return fail("nested too deeply");
    if (++depth_ == 2) {
      if (items_.size() >= messages_max_)
        return fail("no more than " + std::to_string(messages_max_) + " events at once",
                    Errc::too_large);
      text_.clear();
      has_ = {};
    } else {
      comma();
    }
    text_ += '{';
    return true;
  }
  bool key(std::string& name) override {
    comma();
    append_key(text_, name);
    if (depth_ == 2) key_ = name;
    return true;
  }
  bool end_object() override {
    text_ += '}';
    return --depth_ > 1 || end_event();
  }
  bool start_array(std::size_t) override {
    if (++depth_ == 1) return true;
    if (depth_ == 2) return fail("expected an object");
    if (depth_ > kJsonDepthMax) return fail("nested too deeply");
    comma();
    text_ += '[';
    return true;
  }
  bool end_array() override {
    if (--depth_ > 0) text_ += ']';
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    return fail("no valid JSON at byte " + std::to_string(at));
  }

  std::optional<Error> error;

 private:
  static constexpr std::array<std::string_view, 4> kRequired = {"specversion", "id", "source",
                                                                "type"};

  bool fail(std::string why, Errc code = Errc::bad_argument) {
    if (!error)
      error = Error{code, "event " + std::to_string(items_.size() + 1) + ": " + std::move(why)};
    return false;
  }
  void comma() {
    if (text_.back() != '[' && text_.back() != '{' && text_.back() != ':') text_ += ',';
  }
  bool scalar(std::string_view json) {
    if (depth_ < 2) return fail(depth_ == 0 ? "expected an array" : "expected an object");
    comma();
    text_ += json;
    return true;
  }
  void note_key() {
    for (std::size_t i = 0; i < kRequired.size(); ++i) has_[i] = has_[i] || key_ == kRequired[i];
  }
  bool end_event() {
    for (std::size_t i = 0; i < kRequired.size(); ++i)
      if (!has_[i]) return fail("'" + std::string(kRequired[i]) + "' is missing");
    BatchItem item;
    item.properties.delivery_mode = 2;
    item.properties.content_type = "application/cloudevents+json";
    item.properties.message_id = to_text(random_uuid());
    item.body = Slice::copy_of(text_);
    items_.push_back(std::move(item));
    return true;
  }

  std::vector<BatchItem>& items_;
  const std::size_t messages_max_;
  std::size_t depth_ = 0;
  std::string text_, key_;
  std::array<bool, kRequired.size()> has_{};
};

}  // namespace

Result<std::vector<BatchItem>> read_events(std::string_view text, std::size_t messages_max) {
  std::vector<BatchItem> items;
  EventReader reader(items, messages_max);
  const bool is_good = Json::sax_parse(text.begin(), text.end(), &reader);
  if (reader.error) return *reader.error;
  if (!is_good) return Error{Errc::bad_argument, "no valid JSON"};
  return items;
}

}  // namespace pannier::http
