//! Reading many objects with few calls.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;

use futures::stream::{self, StreamExt, TryStreamExt};
use phx_model::CloudError;
use phx_model::error::ErrorKind;

use crate::manage::{Found, Manage, Target};

/// EC2 takes this many values of a filter in one call.
pub const FILTER_VALUES: usize = 200;
/// From so many objects on, listing all of them takes fewer calls than asking for each, unless others own many times more.
pub const LIST_FROM: usize = 1000;
/// How many calls of one read run at once.
pub const PARALLEL: usize = 8;

/// Which objects to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// These, in groups that one call can ask for.
    Groups(Vec<Vec<String>>),
    /// All there are.
    All,
}

/// How best to ask for objects by their ids, of which `per_call` fit in a call.
pub fn ask<'a>(ids: impl IntoIterator<Item = &'a str>, per_call: usize) -> Ask {
    let ids: BTreeSet<&str> = ids.into_iter().collect();
    if ids.len() > LIST_FROM {
        return Ask::All;
    }
    let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
    Ask::Groups(ids.chunks(per_call).map(<[String]>::to_vec).collect())
}

/// All pages of a listing, one after the other. One whose pages lead back to an earlier page is an error: what stands on the pages that were never
/// seen would be taken for gone.
pub async fn pages<T, F, Fut>(mut page: F) -> Result<Vec<T>, CloudError>
where
    F: FnMut(Option<String>) -> Fut,
    Fut: Future<Output = Result<(Vec<T>, Option<String>), CloudError>>,
{
    let mut all = Vec::new();
    let (mut token, mut seen) = (None, HashSet::new());
    loop {
        let (items, next) = page(token).await?;
        all.extend(items);
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(all) };
        if !seen.insert(next.clone()) {
            let message = format!(
                "a listing does not come to its end: its page {} leads back to an earlier one, and what is on the others is not known",
                seen.len() + 1
            );
            return Err(CloudError::local(ErrorKind::Other, message)
                .hint("run it again; if it stays so, the endpoint does not list page by page as AWS documents it"));
        }
        token = Some(next);
    }
}

/// The same for each of many, some at once, in the order given. The first failure ends it.
pub fn each<I, T, F, Fut>(items: I, work: F) -> impl Future<Output = Result<Vec<T>, CloudError>>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future<Output = Result<T, CloudError>>,
{
    // The futures are made at once (nothing runs before it is polled): a stream that held the closure could not be sent to another
    // thread whenever the closure borrows.
    let calls: Vec<Fut> = items.into_iter().map(work).collect();
    stream::iter(calls).buffered(PARALLEL).try_collect()
}

/// What names have in common at their beginning.
pub fn common_prefix<'a>(names: &BTreeSet<&'a str>) -> &'a str {
    // What the first and the last have in common, all between have too.
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return "" };
    let end = first.char_indices().zip(last.chars()).find(|((_, a), b)| a != b).map(|((i, _), _)| i);
    &first[..end.unwrap_or_else(|| first.len().min(last.len()))]
}

/// Lines up what was found with what was asked for. What is not among it is gone.
pub fn align<R: Manage, T>(
    targets: &[Target<'_>],
    items: impl IntoIterator<Item = T>,
    id: impl Fn(&T) -> Option<&str>,
    mut present: impl FnMut(&Target<'_>, &T) -> Found<R>,
) -> Vec<Found<R>> {
    let items: Vec<T> = items.into_iter().collect();
    let by_id: HashMap<&str, &T> = items.iter().filter_map(|item| Some((id(item)?, item))).collect();
    targets
        .iter()
        .map(|target| match by_id.get(target.id) {
            Some(item) => present(target, item),
            None => Found::Gone,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_asked_for_and_many_are_listed() {
        let ids: Vec<String> = (0..450).map(|n| format!("vpc-{n:04}")).collect();
        let Ask::Groups(groups) = ask(ids.iter().map(String::as_str), FILTER_VALUES) else { panic!("listed") };
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 50]);
        assert_eq!(groups.concat(), ids);

        assert_eq!(ask(["a", "a", "b"], 200), Ask::Groups(vec![vec!["a".into(), "b".into()]]));
        assert_eq!(ask([], 200), Ask::Groups(vec![]));
        let ids: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
        assert_eq!(ask(ids.iter().map(String::as_str), 200), Ask::All);
    }

    #[test]
    fn names_have_a_beginning_in_common() {
        assert_eq!(common_prefix(&BTreeSet::from(["/aws/eks/a", "/aws/eks/b", "/aws/vpc"])), "/aws/");
        assert_eq!(common_prefix(&BTreeSet::from(["app", "app-1", "app-2"])), "app");
        assert_eq!(common_prefix(&BTreeSet::from(["a", "b"])), "");
        assert_eq!(common_prefix(&BTreeSet::from(["è", "é"])), "");
        assert_eq!(common_prefix(&BTreeSet::from(["one"])), "one");
        assert_eq!(common_prefix(&BTreeSet::from([])), "");
    }

    #[tokio::test]
    async fn pages_are_followed_to_the_end() {
        let all = pages(|token| async move {
            Ok(match token.as_deref() {
                None => (vec![1, 2], Some("a".to_owned())),
                Some("a") => (vec![3], Some("b".to_owned())),
                _ => (vec![4], Some(String::new())),
            })
        });
        assert_eq!(all.await.unwrap(), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn pages_that_lead_back_are_no_whole_listing() {
        let stuck = pages(|_| async { Ok((vec![1], Some("same".to_owned()))) });
        let error = stuck.await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other);
        assert!(error.message.contains("its page 2 leads back"), "{error}");
        let around = pages(|token| async move {
            let next = if token.as_deref() == Some("a") { "b" } else { "a" };
            Ok((vec![1], Some(next.to_owned())))
        });
        assert!(around.await.unwrap_err().message.contains("its page 3 leads back"));
    }
}
