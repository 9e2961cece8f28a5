//! The bot's metrics, read from its metrics page.

use std::collections::BTreeMap;

/// One scrape of `/metrics`: values by series, with the labels as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsPage(BTreeMap<String, f64>);

impl MetricsPage {
    /// Parses the Prometheus text format; lines that are no samples are skipped.
    pub fn parse(page: &str) -> Self {
        let samples = page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.trim().rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The value of one series, such as `stenobot_requests{state="queued"}`.
    pub fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The sum over all label sets of a name.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        self.0.iter().filter(|(series, _)| of_name(series)).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_parsed() {
        let page = MetricsPage::parse(
            "# HELP a b\n# TYPE a gauge\na{state=\"queued\"} 3\na{state=\"done\"} 4\n\nrtf_sum 1.5\nrtf_count 3\nother 9\n",
        );
        assert_eq!(page.value("a{state=\"queued\"}"), Some(3.0));
        assert_eq!(page.sum("a"), 7.0);
        assert_eq!(page.value("none"), None);
    }
}
