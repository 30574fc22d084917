#include <algorithm>
#include <cctype>
#include <regex>

#include "tests/tidy/tidy.h"

namespace pannier::tidy {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Blanks out as it goes: what is not code becomes spaces, newlines stay.
class Blanker {
 public:
  explicit Blanker(std::string_view text) : text_(text) {}

  std::string run() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  void step() {
    if (starts("//")) return blank_until(text_.find('\n', at_));
    if (starts("/*")) return blank_until(after("*/", at_ + 2));
    if (starts("R\"") && !follows_word()) return raw_string();
    if (text_[at_] == '"') return quoted('"');
    if (text_[at_] == '\'' && !follows_word()) return quoted('\'');  // else 1'000
    if (text_[at_] == '#' && line_is_blank_so_far()) return directive();
    out_ += text_[at_++];
  }

  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  bool follows_word() const { return at_ > 0 && is_word(text_[at_ - 1]); }
  bool line_is_blank_so_far() const {
    const auto last = out_.find_last_not_of(" \t");
    return last == std::string::npos || out_[last] == '\n';
  }
  std::size_t after(std::string_view what, std::size_t from) const {
    const auto found = text_.find(what, from);
    return found == std::string_view::npos ? found : found + what.size();
  }
  void blank_until(std::size_t end) {
    for (end = std::min(end, text_.size()); at_ < end; ++at_)
      out_ += text_[at_] == '\n' ? '\n' : ' ';
  }
  void raw_string() {
    const auto open = text_.find('(', at_);
    if (open == std::string_view::npos) return blank_until(open);
    const auto delimiter = std::string(text_.substr(at_ + 2, open - at_ - 2));
    blank_until(after(")" + delimiter + "\"", open));
  }
  void quoted(char quote) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote && text_[end] != '\n')
      end += text_[end] == '\\' ? 2 : 1;
    blank_until(end + 1);
  }
  void directive() {
    std::size_t end = text_.find('\n', at_);
    while (end != std::string_view::npos && text_[end - 1] == '\\') end = text_.find('\n', end + 1);
    blank_until(end);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
};

// Follows the braces outside functions. A function's body is a brace whose head, the text since the
// last declaration, holds a parameter list. A constructor's a_{1} looks the same and goes on with
// its head after a comma, so that the longest of its pieces is the whole function.
class FunctionFinder {
 public:
  std::vector<std::pair<std::size_t, std::size_t>> run(std::string_view code) {
    for (const char c : code) {
      if (c == '\n') ++line_;
      if (depth_ > 0)
        inside(c);
      else if (!std::isspace(static_cast<unsigned char>(c)))
        outside(c);
      else if (!head_.empty())
        head_ += ' ';
    }
    return std::move(found_);
  }

 private:
  void inside(char c) {
    if (c == '{') ++depth_;
    if (c != '}' || --depth_ > 0) return;
    if (in_body_) found_.emplace_back(begin_, line_);
    after_body_ = in_body_;
  }
  void outside(char c) {
    if (after_body_ && c != ',' && c != '{') head_.clear();
    after_body_ = false;
    if (c == '{') return open();
    if (c == '}' || c == ';') return head_.clear();
    if (head_.empty()) begin_ = line_;
    head_ += c;
    if (head_ == "public:" || head_ == "private:" || head_ == "protected:") head_.clear();
  }
  void open() {
    static const std::regex type(R"(^(template\s*<.*>\s*)?(typedef\s+|inline\s+)?)"
                                 R"((namespace|class|struct|union|enum|extern)\b)");
    if (std::regex_search(head_, type)) return head_.clear();
    const auto last = head_.find_last_not_of(' ');
    in_body_ = head_.find(')') != std::string::npos && head_[last] != '=';
    depth_ = 1;
  }

  std::vector<std::pair<std::size_t, std::size_t>> found_;
  std::string head_;
  std::size_t line_ = 1, begin_ = 1, depth_ = 0;
  bool in_body_ = false, after_body_ = false;
};

}  // namespace

std::string code_of(std::string_view text) { return Blanker(text).run(); }

std::vector<std::pair<std::size_t, std::size_t>> functions_of(std::string_view code) {
  return FunctionFinder().run(code);
}

}  // namespace pannier::tidy
