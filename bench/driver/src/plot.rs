//! A plot of bars as SVG, to be read on a light and on a dark ground.

use std::fmt::Write as _;

use crate::stats::Spread;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
/// For the figure at the end of a bar.
const RIGHT: f64 = 170.0;
const TOP: f64 = 58.0;
const ROW: f64 = 30.0;
const BAR: f64 = 16.0;

/// The colours are in between, and the text takes the reader's side.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:600}\
.note{font-size:12px;fill:#59636e}.bar{fill:#7d8590}.ours{fill:#2f81f7}\
.spread{stroke:#1f2328;stroke-width:1.5}.axis{stroke:#7d8590;stroke-width:1}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.note{fill:#9198a1}.spread{stroke:#f0f6fc}}";

#[derive(Debug)]
pub struct Bar {
    pub label: String,
    pub value: Spread,
    /// The text behind the bar.
    pub figure: String,
    /// Of the chassis.
    pub ours: bool,
}

pub fn svg(title: &str, note: &str, bars: &[Bar]) -> String {
    let most = bars
        .iter()
        .map(|it| it.value.greatest)
        .fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 12.0;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"><title>{title}</title><style>{STYLE}</style><text class="title" x="8" y="22">{title}</text><text class="note" x="8" y="42">{note}</text>"#,
        title = escaped(title),
        note = escaped(note),
    );
    for (index, bar) in bars.iter().enumerate() {
        let middle = TOP + ROW * (index as f64 + 0.5);
        let end = LEFT + bar.value.median * scale;
        let (least, greatest) = (
            LEFT + bar.value.least * scale,
            LEFT + bar.value.greatest * scale,
        );
        let class = if bar.ours { "bar ours" } else { "bar" };
        let _ = write!(
            out,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="end">{label}</text><rect class="{class}" x="{LEFT}" y="{top:.1}" width="{width:.1}" height="{BAR}"/><line class="spread" x1="{least:.1}" x2="{greatest:.1}" y1="{middle:.1}" y2="{middle:.1}"/><text x="{after:.1}" y="{y:.1}">{figure}</text>"#,
            x = LEFT - 8.0,
            y = middle + 4.5,
            top = middle - BAR / 2.0,
            width = end - LEFT,
            after = greatest.max(end) + 8.0,
            label = escaped(&bar.label),
            figure = escaped(&bar.figure),
        );
    }
    let _ = write!(
        out,
        r#"<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{bottom}"/></svg>"#
    );
    out.push('\n');
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_bar_fits_with_its_figure_and_text_is_escaped() {
        let value = Spread {
            median: 10.0,
            least: 9.0,
            greatest: 12.0,
        };
        let bar = Bar {
            label: "a<b".to_owned(),
            value,
            figure: "10".to_owned(),
            ours: true,
        };
        let svg = svg("t & u", "n", &[bar]);
        assert!(svg.contains("a&lt;b") && svg.contains("t &amp; u"));
        assert!(svg.contains(r#"x2="590.0""#), "{svg}");
    }
}
