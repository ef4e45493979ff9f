//! Assets: one line each.

use super::table::headed;
use super::{plain, short};
use crate::api::dto::AssetView;
use crate::hints::Hints;

/// Assets, by owner and name.
pub(crate) fn list(assets: &[AssetView], hints: &Hints) -> String {
    if assets.is_empty() {
        let declare = hints.copyable("entente asset declare NAME --kind KIND --label TEXT");
        return format!("no assets yet; next: {declare}\n");
    }
    headed(["OWNER", "NAME", "KIND", "SERVES", "CONTROL", "LABEL", ""], assets.iter().map(row).collect())
}

fn row(asset: &AssetView) -> [String; 7] {
    let serves = match (&asset.operation, &asset.title) {
        (Some(id), title) => format!("{} {}", short(id), plain(title.as_deref().unwrap_or_default())),
        (None, _) if asset.recalled_index.is_some() => "recalled".into(),
        (None, _) => "at home".into(),
    };
    let mut notes = Vec::new();
    if let Some(caveat) = &asset.caveat {
        notes.push(format!("caveat: {}", plain(caveat)));
    }
    if !asset.may_control.is_empty() {
        let may = asset.may_control.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        notes.push(format!("may be controlled by {may} while leading"));
    }
    if let (None, Some(ground)) = (&asset.operation, &asset.ground) {
        notes.push(format!("recalled: {}", plain(ground)));
    }
    [
        asset.owner.to_string(),
        asset.name.to_string(),
        plain(&asset.kind),
        serves,
        asset.controller.to_string(),
        plain(&asset.label),
        notes.join("; "),
    ]
}
