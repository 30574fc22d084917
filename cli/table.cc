#include "cli/table.h"

#include <algorithm>

#include "cli/people.h"

namespace pannier::cli {
namespace {

constexpr std::size_t kGap = 3;

}  // namespace

void Table::add(const std::vector<std::string>& cells) {
  std::vector<std::string> row;
  for (const std::string& cell : cells) row.push_back(cell.empty() ? "-" : harmless(cell));
  row.resize(columns_.size(), "-");
  rows_.push_back(std::move(row));
}

std::string Table::text(std::size_t indent) const {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns_) lines[0].push_back(column.title);
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& line : lines)
    for (std::size_t at = 0; at < line.size(); ++at)
      widths[at] = std::max(widths[at], width_of(line[at]));
  std::string text;
  for (const auto& line : lines) {
    std::string out(indent, ' ');
    for (std::size_t at = 0; at < line.size(); ++at) {
      const std::string blanks(widths[at] - width_of(line[at]), ' ');
      const bool is_right = columns_[at].align == Column::Align::right;
      if (at > 0) out += std::string(kGap, ' ');
      out += is_right ? blanks + line[at] : line[at] + blanks;
    }
    out.erase(out.find_last_not_of(' ') + 1);
    text += out + '\n';
  }
  return text;
}

}  // namespace pannier::cli
