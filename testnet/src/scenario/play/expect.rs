//! Steps that look: what is expected is polled until it is seen, or for so long.

use super::*;

impl Player<'_> {
    pub(super) async fn expect(&mut self, expect: &Expect) -> Result<(), Error> {
        let fill = |text: &String| self.variables.fill(text);
        let mut arguments = expect.args.iter().map(fill).collect::<Vec<_>>();
        if !arguments.iter().any(|word| word == "--json") {
            arguments.push("--json".to_owned());
        }
        let filled = Expect {
            path: fill(&expect.path),
            contains: expect.contains.as_ref().map(fill),
            is: expect.is.as_ref().map(|wanted| match wanted.as_str() {
                Some(text) => toml::Value::String(self.variables.fill(text)),
                None => wanted.clone(),
            }),
            ..expect.clone()
        };
        let (coalition, at) = parts(&expect.at);
        let asked = if at == EVERYONE { self.stage.honest(coalition)? } else { vec![expect.at.clone()] };
        let limit = expect.within.map_or(self.patience, Duration::from_secs).min(self.patience);
        let until = Instant::now() + limit;
        let printed = loop {
            let (unlike_it, printed) = self.seen(&asked, &arguments, &filled).await?;
            let Some(seen) = unlike_it else { break printed };
            if Instant::now() >= until {
                return Err(unlike(format!(
                    "not within {} s: `entente {}`: {}; seen instead: {seen}",
                    limit.as_secs(),
                    arguments.join(" "),
                    wanted(&filled)
                )));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        };
        let of = coalition.map_or_else(String::new, |name| format!(" of {name}"));
        let who = if at == EVERYONE { format!("all {}{of}", asked.len()) } else { String::new() };
        let shows = if at == EVERYONE { "show" } else { "shows" };
        let means = expect.means.as_ref().map(fill);
        let means = means.unwrap_or_else(|| format!("{}: {}", arguments.join(" "), wanted(&filled)));
        let name = if at == EVERYONE { "" } else { expect.at.as_str() };
        self.tale.line(name, format!("{who} {shows}: {means}").trim_start());
        self.keep(asked.last().map_or("", String::as_str), &arguments.join(" "), &printed, &expect.keep)
    }

    /// What those who are asked show that is not as expected, and what the last of them printed.
    pub(super) async fn seen(
        &self,
        asked: &[String],
        arguments: &[String],
        expect: &Expect,
    ) -> Result<(Option<String>, String), Error> {
        let (mut printed, mut first) = (String::new(), None::<(String, Vec<Value>)>);
        for partner in asked {
            let said = self.stage.said(partner, arguments).await?;
            let value: Value = match serde_json::from_str(&said.out) {
                Ok(value) if said.code == Some(0) => value,
                _ => {
                    let told = [said.out.trim(), said.err.trim()].join(" ");
                    return Ok((Some(format!("at {partner} an error: {}", told.trim())), printed));
                }
            };
            let found = look::find(&value, &expect.path);
            if !holds(&found, expect) {
                let shown = found.iter().map(|value| look::shown(value)).collect::<Vec<_>>();
                let shown = if shown.is_empty() { "nothing there".to_owned() } else { shown.join(", ") };
                return Ok((Some(format!("at {partner} {shown}")), printed));
            }
            let found = found.into_iter().cloned().collect::<Vec<_>>();
            match &first {
                Some((other, others)) if expect.same && *others != found => {
                    let shown =
                        |values: &[Value]| values.iter().map(look::shown).collect::<Vec<_>>().join(", ");
                    let what = format!("at {other} {}, at {partner} {}", shown(others), shown(&found));
                    return Ok((Some(what), printed));
                }
                Some(_) => {}
                None => first = Some((partner.clone(), found)),
            }
            printed = said.out;
        }
        Ok((if asked.is_empty() { Some("nobody runs".to_owned()) } else { None }, printed))
    }

    /// Polls a partner's view of an operation until `done` says so.
    pub(super) async fn until_view(
        &self,
        partner: &str,
        name: &str,
        what: &str,
        done: impl Fn(&OperationView) -> bool,
    ) -> Result<OperationView, Error> {
        let path = format!("/v1/ops/{}", self.id(name)?);
        let client = self.stage.client(partner)?;
        let limit = self.patience.min(STEP_TIMEOUT);
        let until = Instant::now() + limit;
        loop {
            let seen = match client.get::<OperationView>(&path).await {
                Ok(view) if done(&view) => return Ok(view),
                Ok(view) => format!("{}, {}", view.outcome, view.explanation),
                Err(error) => error.what,
            };
            if Instant::now() >= until {
                let what = format!("{partner}: {name} {what}; seen instead: {seen}");
                return Err(Error::Late { what, limit });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    pub(super) async fn agreed(&mut self, name: &str) -> Result<(), Error> {
        let mut shown = None;
        let coalition = parts(self.operation(name)?.by.get_ref()).0.map(str::to_owned);
        let running = self.stage.honest(coalition.as_deref())?;
        for partner in &running {
            let agreed = |view: &OperationView| view.state == RecordState::Agreed && view.outcome == "agreed";
            shown = Some(self.until_view(partner, name, "is agreed", agreed).await?);
        }
        let Some(view) = shown else {
            return Err(Error::failed(
                "nobody is running",
                "restart somebody in an earlier step of the scenario",
            ));
        };
        self.tale.line(
            "",
            &format!(
                "{} of {} partners show the same:",
                running.len(),
                self.stage.network(coalition.as_deref())?.partners().len()
            ),
        );
        self.tale.good("AGREED", &format!("  {}  {}", view.title, view.id));
        if let Some(decision) = &view.decision {
            self.tale.line("", &format!("why: {}", decision.explanation.replace("; ", "\n     ")));
        }
        self.played.last_agreed = Some((coalition, name.to_owned()));
        Ok(())
    }

    pub(super) async fn deficit(&self, deficit: &Deficit) -> Result<(), Error> {
        let by = self.operation(&deficit.operation)?.by.get_ref().clone();
        let names = parts(&deficit.names).1;
        let lacks = |view: &OperationView| {
            view.state == RecordState::Ordered && view.deficit.iter().any(|line| line.contains(names))
        };
        let view = self.until_view(&by, &deficit.operation, "shows its deficit", lacks).await?;
        self.tale.line("", &format!("{:?} is {}: {}", view.title, view.outcome, view.deficit.join("; ")));
        Ok(())
    }

    pub(super) async fn caught_up(&self, partner: &str) -> Result<(), Error> {
        let mut size = 0;
        for other in self.stage.running_with(partner)?.iter().filter(|other| *other != partner) {
            let status = self.stage.until_status(other, "answers", |_| true).await?;
            size = status.log.size.max(size);
        }
        let status = self
            .stage
            .until_status(partner, "has caught up", |status| {
                status.log.size >= size && status.epoch.certified == status.epoch.applied
            })
            .await?;
        let (size, epoch) = (status.log.size, status.epoch.certified);
        self.tale.line(partner, &format!("holds the whole log: {size} leaves, epoch {epoch} certified"));
        Ok(())
    }
}

/// Whether what was found is as expected.
fn holds(found: &[&Value], expect: &Expect) -> bool {
    let is = |wanted: &toml::Value| !found.is_empty() && found.iter().all(|value| look::is(value, wanted));
    let contains = |part: &String| found.iter().any(|value| look::shown(value).contains(part));
    let counted = match expect.count {
        Some(count) => found.len() == count,
        None => !found.is_empty(),
    };
    counted && expect.is.as_ref().is_none_or(is) && expect.contains.as_ref().is_none_or(contains)
}

/// What is expected, in words.
fn wanted(expect: &Expect) -> String {
    let path = if expect.path.is_empty() { "it" } else { expect.path.as_str() };
    let mut all = Vec::new();
    all.extend(expect.is.as_ref().map(|wanted| format!("is {wanted}")));
    all.extend(expect.contains.as_ref().map(|part| format!("contains {part:?}")));
    all.extend(expect.count.map(|count| format!("is there {count} times")));
    if expect.same {
        all.push("is the same everywhere".to_owned());
    }
    if all.is_empty() {
        all.push("is there".to_owned());
    }
    format!("{path} {}", all.join(" and "))
}
