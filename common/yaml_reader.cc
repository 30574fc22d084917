#include "common/yaml_reader.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <optional>
#include <streambuf>
#include <unordered_map>
#include <utility>

#include "common/quantity.h"
#include "common/utf8.h"

namespace pannier {
namespace {

// Thrown by the builder through yaml-cpp's parser, caught in parse_yaml.
struct Fault {
  YamlMark mark;
  std::string path;
  std::string what;
};

YamlMark mark_of(const YAML::Mark& mark) {
  return mark.is_null() ? YamlMark{} : YamlMark{mark.line + 1, mark.column + 1};
}

struct Weight {
  std::size_t nodes = 1;
  std::size_t bytes = 0;
  std::size_t height = 1;
};

Weight weigh(const YamlNode& node) {
  Weight weight{1, node.text.size(), 1};
  for (const YamlNode::Key& key : node.keys) weight.bytes += key.text.size();
  for (const YamlNode& item : node.items) {
    const Weight inner = weigh(item);
    weight.nodes += inner.nodes;
    weight.bytes += inner.bytes;
    weight.height = std::max(weight.height, inner.height + 1);
  }
  return weight;
}

// Makes nodes of yaml-cpp's events. One per text; the limits are for all of its documents together.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const YamlLimits& limits) : limits_(limits) {}

  YamlMark start() const { return start_; }
  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    start_ = mark_of(mark);
    open_.clear();
    anchors_.clear();
    root_ = YamlNode{};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.mark = mark_of(mark);
    add_leaf(std::move(node), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    constexpr std::string_view kStringTag = "tag:yaml.org,2002:str";
    if (tag != "?" && tag != "!" && tag != kStringTag) refuse_tag(mark, tag);
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.quoted = tag != "?";
    node.mark = mark_of(mark);
    node.text = value;
    add_leaf(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end())
      fail(mark_of(mark),
           "expected an alias of something complete, found one of what it lies in: write it out");
    charge(known->second.weight, mark_of(mark));
    add(YamlNode(known->second.node), mark_of(mark));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    check_keys(open_.back().node);
    close();
  }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor;
    bool key_next = true;
  };
  struct Anchored {
    YamlNode node;
    Weight weight;
  };

  [[noreturn]] void fail(YamlMark mark, std::string what) const {
    throw Fault{mark, path(), std::move(what)};
  }
  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    fail(mark_of(mark), "expected a value without a tag, found the tag " + quoted_for_people(tag) +
                            ": remove the tag");
  }

  // Where the parser is: "listeners.amqps.addresses[1]".
  std::string path() const {
    std::string path;
    for (const Open& open : open_) {
      if (open.node.kind == YamlNode::Kind::list) {
        path += "[" + std::to_string(open.node.items.size()) + "]";
      } else if (!open.node.keys.empty()) {
        if (!path.empty()) path += ".";
        path += open.node.keys.back().text.substr(0, 255);
      }
    }
    return path;
  }

  void charge(const Weight& weight, YamlMark mark) {
    nodes_ += weight.nodes;
    bytes_ += weight.bytes;
    if (nodes_ > limits_.nodes_max)
      fail(mark, "expected at most " + std::to_string(limits_.nodes_max) +
                     " values, found more (aliases count as what they stand for): make it smaller");
    if (bytes_ > 2 * limits_.bytes_max)
      fail(
          mark,
          "expected at most " + std::to_string(2 * limits_.bytes_max) +
              " bytes of text, found more (aliases count as what they stand for): make it smaller");
    if (open_.size() + weight.height > limits_.depth_max)
      fail(mark, "expected at most " + std::to_string(limits_.depth_max) +
                     " levels of nesting, found more: nest less deeply");
  }

  void add_leaf(YamlNode node, YAML::anchor_t anchor) {
    charge(Weight{1, node.text.size(), 1}, node.mark);
    remember(node, anchor);
    const YamlMark mark = node.mark;
    add(std::move(node), mark);
  }

  void remember(const YamlNode& node, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    const Weight weight = weigh(node);
    charge(weight, node.mark);
    anchors_[anchor] = Anchored{node, weight};
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(mark, tag);
    charge(Weight{}, mark_of(mark));
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::map && open_.back().key_next)
      fail(mark_of(mark), "expected a key that is text, found a list or a map: write a plain key");
    Open next{YamlNode{}, anchor};
    next.node.kind = kind;
    next.node.mark = mark_of(mark);
    open_.push_back(std::move(next));
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    remember(closed.node, closed.anchor);
    const YamlMark mark = closed.node.mark;
    add(std::move(closed.node), mark);
  }

  // `mark` is where it stands in the text, also for a copy whose own marks are those of its anchor.
  void add(YamlNode node, YamlMark mark) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::map && parent.key_next) {
      add_key(parent, std::move(node), mark);
      return;
    }
    // An empty value has no place of its own: it is at its key.
    if (node.kind == YamlNode::Kind::null && parent.node.kind == YamlNode::Kind::map)
      node.mark = parent.node.keys.back().mark;
    parent.node.items.push_back(std::move(node));
    parent.key_next = true;
  }

  void add_key(Open& parent, YamlNode node, YamlMark mark) {
    if (node.kind != YamlNode::Kind::scalar)
      fail(mark, "expected a key that is text, found " + found_text(node) + ": write a plain key");
    if (node.text == "<<" && !node.quoted)
      fail(mark, "expected a key, found a merge key <<: write the keys out");
    parent.node.keys.push_back({std::move(node.text), mark});
    parent.key_next = false;
  }

  void check_keys(const YamlNode& map) {
    std::vector<const YamlNode::Key*> sorted;
    for (const YamlNode::Key& key : map.keys) sorted.push_back(&key);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto* a, const auto* b) { return a->text < b->text; });
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i]->text != sorted[i - 1]->text) continue;
      const YamlNode::Key again = *sorted[i];  // a copy: sorted looks into what grows below
      const int first_line = sorted[i - 1]->mark.line;
      open_.back().node.keys.push_back(again);  // so that the path names it
      fail(again.mark, "expected each key once, found it again (first in line " +
                           std::to_string(first_line) + "): remove one of the two");
    }
  }

  YamlLimits limits_;
  YamlMark start_;
  YamlNode root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

YamlMark mark_at(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(at - line_start) + 1};
}

// What yaml-cpp would misread (it takes a byte 4 for the end of its input), found before it starts.
std::optional<Fault> raw_fault(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes_max)
    return Fault{{},
                 "",
                 "expected at most " + std::to_string(limits.bytes_max) + " bytes, found " +
                     std::to_string(text.size()) + ": make it smaller"};
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  };
  const auto control = std::find_if(text.begin(), text.end(), is_control);
  const std::size_t at =
      std::min(static_cast<std::size_t>(control - text.begin()), utf8_fault_at(text));
  if (at == text.size()) return std::nullopt;
  return Fault{mark_at(text, at), "",
               "expected text in UTF-8, found the byte " + quoted_for_people(text.substr(at, 1)) +
                   ": is this the right file?"};
}

Error error_of(std::string_view file, const Fault& fault) {
  YamlProblems problems{std::string(file)};
  problems.add(fault.mark, fault.path, fault.what);
  return problems.result().error();
}

// Reads from bytes that somebody else owns, without a copy, and then an end-of-document mark:
// yaml-cpp takes the end of its input for the end of a quoted text, and would accept a file that
// was cut short.
struct ViewBuffer final : std::streambuf {
  explicit ViewBuffer(std::string_view text) : end(text.ends_with('\n') ? "...\n" : "\n...\n") {
    look_at(text);
  }

 protected:
  int_type underflow() override {
    if (std::exchange(at_end, true)) return traits_type::eof();
    look_at(end);
    return traits_type::to_int_type(*gptr());
  }

 private:
  void look_at(std::string_view text) {
    char* from = const_cast<char*>(text.data());  // only ever read
    setg(from, from, from + text.size());
  }

  std::string_view end;
  bool at_end = false;
};

std::vector<YamlNode> documents_of(std::string_view text, const YamlLimits& limits) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  YAML::Parser parser(stream);
  Builder builder(limits);
  std::vector<YamlNode> documents;
  for (std::size_t count = 0; parser.HandleNextDocument(builder); ++count) {
    if (count == limits.documents_max)
      throw Fault{builder.start(), "",
                  "expected at most " + std::to_string(limits.documents_max) +
                      " documents, found more: split the file"};
    YamlNode root = builder.take_root();
    if (root.kind != YamlNode::Kind::null) documents.push_back(std::move(root));
  }
  return documents;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

Result<std::vector<YamlNode>> parse_yaml(std::string_view text, std::string_view file,
                                         const YamlLimits& limits) {
  if (const auto fault = raw_fault(text, limits)) return error_of(file, *fault);
  try {
    return documents_of(text, limits);
  } catch (const Fault& fault) {
    return error_of(file, fault);
  } catch (const YAML::Exception& fault) {
    return error_of(file, {mark_of(fault.mark), "",
                           "expected valid YAML, found: " + fault.msg +
                               ": correct the syntax here or just before"});
  } catch (const std::exception& fault) {
    return error_of(file, {{},
                           "",
                           std::string("expected valid YAML, found what cannot be read: ") +
                               fault.what() + ": make it simpler"});
  }
}

Result<YamlNode> parse_yaml_document(std::string_view text, std::string_view file,
                                     const YamlLimits& limits) {
  auto documents = parse_yaml(text, file, limits);
  if (!documents) return documents.error();
  if (documents->size() == 1) return std::move(documents->front());
  if (documents->empty())
    return error_of(file, {{}, "", "expected a document, found nothing: write one"});
  return error_of(file, {(*documents)[1].mark, "",
                         "expected one document, found a second one: keep one in this file"});
}

void YamlProblems::add(YamlMark mark, std::string_view path, std::string_view what) {
  constexpr std::size_t kKeptMax = 1'000;
  if (++count_ > kKeptMax) return;
  std::string line = file_ + ":";
  if (mark.line > 0) line += std::to_string(mark.line) + ":" + std::to_string(mark.column) + ":";
  line += " ";
  line += path.empty() ? "document" : path;
  line += ": ";
  line += what;
  problems_.push_back({mark, std::move(line)});
}

Result<void> YamlProblems::result() const {
  if (problems_.empty()) return {};
  constexpr std::size_t kShownMax = 20;
  auto sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return a.mark.line != b.mark.line ? a.mark.line < b.mark.line : a.mark.column < b.mark.column;
  });
  std::string detail;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShownMax); ++i)
    detail += (i == 0 ? "" : "\n") + sorted[i].line;
  if (count_ > kShownMax) detail += "\nand " + std::to_string(count_ - kShownMax) + " more";
  return Error{Errc::bad_config, detail};
}

}  // namespace pannier
