//! Quantiles by the nearest-rank rule.

/// The smallest of `sorted` (ascending) that at least `percent` of 100 values do not exceed; `None` without a value.
pub fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_so_many_do_not_exceed() {
        for count in [1_u32, 2, 3, 10, 99, 100, 101, 1000] {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            for percent in [1_u32, 50, 95, 99, 100] {
                let found = nearest_rank(&values, percent as usize).unwrap();
                let not_above = values.iter().filter(|value| **value <= found).count() as f64;
                let below = values.iter().filter(|value| **value < found).count() as f64;
                let needed = f64::from(count) * f64::from(percent) / 100.0;
                assert!(not_above >= needed && below < needed, "{count} {percent} {found}");
            }
        }
        assert_eq!(nearest_rank(&[], 50), None);
    }
}
