//! The live page.
use crate::answer::Site;
use crate::engine::{End, Exchange};
use crate::http::target::Route;
pub fn answer(_site: &Site, exchange: Exchange, _route: Route) -> End {
    exchange.finish()
}
