#!/usr/bin/env python3
"""Verifies a receipt, its checkpoint and the chains of record feeds, from docs/wire.md alone.

It shares no code with Entente and takes nothing on trust but the coalition's id:

    entente receipt OPERATION -o receipt.tlog-proof
    entente policy export -o policy.txt
    entente --json feed PARTNER LANE > feed.json
    scripts/verify.py receipt.tlog-proof --coalition co-... --policy policy.txt --feed feed.json
    scripts/verify.py --vectors protocol/tests/vectors

Needs Python 3.9 and the package `cryptography`. Exits with 0 if everything holds, with 1 and a reason if anything does not.
"""

import argparse
import base64
import hashlib
import json
import sys

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("verify.py: the package `cryptography` is missing: apt-get install python3-cryptography")

# ---------------------------------------------------------------------------------------------------------------------
# Hashes, texts and signatures ("Encoding")


class Refused(Exception):
    """Something does not hold."""


def need(holds, why):
    if not holds:
        raise Refused(why)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def H(domain, *parts):
    return sha256(domain.encode(), b"\0", *parts)


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def from_base32(text, size):
    need(text == text.lower(), f"{text!r} is not lower case")
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        raise Refused(f"{text!r} is no base32") from None
    need(len(data) == size and base32(data) == text, f"{text!r} is not the base32 of {size} bytes")
    return data


def prefixed(text, prefix, size):
    need(isinstance(text, str) and text.startswith(prefix), f"{text!r} does not begin with {prefix}")
    return from_base32(text[len(prefix):], size)


def from_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{text[:60]!r} is no base64") from None
    need(base64.b64encode(data).decode() == text, f"{text[:60]!r} is not canonical base64")
    return data


P = 2**255 - 19
# The ordinates of the points of small order (RFC 7748, section 7, and its twins on the Edwards curve).
SMALL_ORDER = {
    0,
    1,
    P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


def need_point(data, what):
    y = int.from_bytes(data, "little") & (2**255 - 1)
    need(y < P and y not in SMALL_ORDER, f"{what}: a point is not canonical or of small order")


def signed(key, message, signature, what):
    """Strictly: canonical encodings, neither key nor R of small order; that S is canonical the library checks."""
    need_point(key, what)
    need_point(signature[:32], what)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(f"{what}: the signature does not hold") from None


def signed_under(domain, key, message, signature, what):
    signed(key, domain.encode() + b"\0" + message, signature, what)


# ---------------------------------------------------------------------------------------------------------------------
# The codec: a type is a pair of functions, to read from a Reader and to write to bytes


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        need(size <= len(self.data) - self.at, "an encoding is cut off")
        self.at += size
        return self.data[self.at - size:self.at]


def write_integer(value):
    if value < 251:
        return bytes([value])
    for marker, size in ((251, 2), (252, 4), (253, 8), (254, 16)):
        if value < 1 << 8 * size:
            return bytes([marker]) + value.to_bytes(size, "little")
    raise Refused(f"{value} is too large")


def integer(bits):
    def read(reader):
        first = reader.take(1)[0]
        need(first < 255, "an integer has an unknown marker")
        value = first if first < 251 else int.from_bytes(reader.take(2 << first - 251), "little")
        need(value < 1 << bits, f"{value} has more than {bits} bits")
        return value

    return read, write_integer


def signed_integer(bits):
    """A signed integer: 0, -1, 1, -2, … as 0, 1, 2, 3, …"""
    whole = integer(bits)

    def read(reader):
        value = whole[0](reader)
        return -(value + 1) // 2 if value % 2 else value // 2

    return read, lambda value: whole[1](2 * value if value >= 0 else -2 * value - 1)


def array(size, tag=None):
    """Bytes without a length, behind a tag if there is one."""

    def read(reader):
        if tag is not None:
            need(reader.take(1)[0] == tag, "a key or signature of another algorithm")
        return reader.take(size)

    return read, lambda value: (b"" if tag is None else bytes([tag])) + value


def read_bytes(reader):
    return reader.take(U64[0](reader))


def read_text(reader):
    try:
        return read_bytes(reader).decode()
    except UnicodeDecodeError:
        raise Refused("a text is not UTF-8") from None


def read_truth(reader):
    value = reader.take(1)[0]
    need(value < 2, "a truth is neither 0 nor 1")
    return value == 1


def option(of):
    def read(reader):
        return of[0](reader) if read_truth(reader) else None

    return read, lambda value: b"\0" if value is None else b"\1" + of[1](value)


def list_of(of):
    def read(reader):
        return [of[0](reader) for _ in range(U64[0](reader))]

    return read, lambda values: write_integer(len(values)) + b"".join(map(of[1], values))


def map_of(key, value):
    pairs = list_of(struct(key=key, value=value))

    def read(reader):
        found = pairs[0](reader)
        keys = [pair["key"] for pair in found]
        need(keys == sorted(set(keys)), "a map is not in order")
        return found

    return read, pairs[1]


def struct(**fields):
    def read(reader):
        return {name: of[0](reader) for name, of in fields.items()}

    return read, lambda value: b"".join(of[1](value[name]) for name, of in fields.items())


def enum(**variants):
    """A pair of the variant's name and its fields; None where it has none."""
    names = list(variants)

    def read(reader):
        index = U32[0](reader)
        need(index < len(names), f"no variant {index}")
        of = variants[names[index]]
        return names[index], None if of is None else of[0](reader)

    def write(value):
        name, fields = value
        of = variants[name]
        return write_integer(names.index(name)) + (b"" if of is None else of[1](fields))

    return read, write


def names(*variants):
    return enum(**{name: None for name in variants})


def decode(of, data, what):
    reader = Reader(data)
    value = of[0](reader)
    need(reader.at == len(data), f"{what}: {len(data) - reader.at} bytes are left over")
    need(of[1](value) == data, f"{what}: not the canonical encoding")
    return value


U8 = (lambda reader: reader.take(1)[0]), (lambda value: bytes([value]))
U16, U32, U64 = integer(16), integer(32), integer(64)
I64 = signed_integer(64)
HASH = array(32)
KEY, SIGNATURE = array(32, tag=1), array(64, tag=1)
BYTES = read_bytes, lambda value: write_integer(len(value)) + value
TEXT = read_text, lambda value: BYTES[1](value.encode())
TRUTH = read_truth, lambda value: bytes([value])
LANE = names("flash", "immediate", "priority", "routine")
ROLE = enum(lead=None, supporting=None, observing=None, declared=TEXT)
STANCE = names("endorse", "object", "abstain")

# "Charter and founding"
QUOTA = struct(flash=U32, immediate=U32, priority=U32, routine=U32)
PARTNER = struct(name=TEXT, root=KEY, officers=list_of(KEY), seat=KEY, nodes=list_of(KEY), credentials_until=U64)
THRESHOLD = struct(
    role=option(ROLE), partners=list_of(TEXT), measure=enum(count=U32, weight=U32, percent=U32)
)
TERMS = list_of(enum(threshold=THRESHOLD, all_of=U32, any_of=U32))
RULE = struct(
    required=list_of(ROLE),
    at_least=list_of(struct(role=ROLE, count=U32)),
    all_of=TERMS,
    quorum=U32,
    weights=list_of(struct(partner=TEXT, weight=U32)),
    substitutes=list_of(struct(role=ROLE, partner=TEXT, by=list_of(TEXT))),
    veto=struct(partners=list_of(TEXT), roles=list_of(ROLE)),
    fallback=enum(fail=None, defer=None, escalate=TEXT, lesser=struct(limits=TEXT, all_of=TERMS), authority=TEXT),
)
HANDOFF_RULE = struct(offer_ms=U64, takeover=option(struct(successor=TEXT, silent_ms=option(U64), lapsed=TRUTH)))
PHASE = struct(name=TEXT, lead=list_of(TEXT), successor=option(TEXT))
DISPUTE_RULE = struct(
    window_ms=U64, panel=list_of(TEXT), threshold=U32, if_short=names("refuse", "unanimous"), rule_ms=U64,
    on_expiry=names("uphold", "annul"), dependants=names("go-on", "hold"), grounds=list_of(TEXT), remand_ms=option(U64),
)
FIELD = struct(
    name=TEXT, kind=names("text", "number", "time", "choice"), required=TRUTH, min=option(I64), max=option(I64),
    choices=list_of(TEXT),
)
RESOURCE = struct(name=TEXT, fields=list_of(TEXT), start=option(TEXT), until=option(TEXT))
LEASE = struct(name=TEXT, resource=TEXT, values=list_of(list_of(TEXT)), partner=TEXT, all_of=TERMS)
OPERATION_TYPE = struct(
    name=TEXT, precedence=LANE, may_raise=list_of(TEXT), may_raise_with=option(TEXT), window_ms=U64,
    effect=option(names("suspend", "reinstate", "expel", "amend")), lead=list_of(TEXT), supporting=list_of(TEXT), observing=list_of(TEXT),
    roles=list_of(struct(name=ROLE, partners=list_of(TEXT), requires=option(TEXT), counts=TRUTH, opens=TRUTH)),
    fields=list_of(FIELD), resources=list_of(RESOURCE), leases=list_of(LEASE), rule=RULE,
    handoff=HANDOFF_RULE, phases=list_of(PHASE), dispute=option(DISPUTE_RULE), authority=option(TEXT),
)
RESPONSES = list_of(names("alert", "quarantine", "suspend"))
INTEGRITY = struct(
    confirmations=U32, reporter_counts=TRUTH, flood_per_minute=U32, votes=U32, lift_votes=U32, voters=list_of(TEXT),
    responses=struct(
        impersonation=RESPONSES, forced_disclosure=RESPONSES, equivocation=RESPONSES, flood=RESPONSES, withholding=RESPONSES,
        replay=RESPONSES, declared_failure=RESPONSES,
    ),
)
EXPRESSION = list_of(struct(required=TRUTH, node=enum(Key=KEY, Named=TEXT, Threshold=struct(needs=U32, members=U32))))
EXTENT = option(list_of(TEXT))
SCOPE = struct(operations=EXTENT)
SIGNATURES = list_of(struct(key=KEY, signature=SIGNATURE))
ALLIANCE = struct(
    name=TEXT, version=U32, previous=option(HASH), expression=EXPRESSION, scope=SCOPE, parties=map_of(TEXT, KEY)
)
KIND = names("national", "alliance", "coalition")
AUTHORITY_RULES = struct(
    precedence=option(struct(first=KIND, second=KIND, third=KIND)),
    authorities=list_of(struct(name=TEXT, kind=KIND, scope=SCOPE, expression=EXPRESSION)),
    alliances=list_of(
        struct(follow=names("at-once", "next-amendment", "pinned"), alliance=ALLIANCE, signatures=SIGNATURES)
    ),
)
CAPABILITY = struct(name=TEXT, partners=list_of(TEXT))
CHARTER = struct(
    version=U32, previous=option(HASH), name=TEXT, created=U64, nonce=array(16), step_ms=U64, clock_tolerance_ms=U64, quota=QUOTA,
    partners=list_of(PARTNER), admitted=list_of(PARTNER), operations=list_of(OPERATION_TYPE), capabilities=list_of(CAPABILITY), integrity=INTEGRITY,
    authority=AUTHORITY_RULES,
)
KEY_CAPABILITY = names("officer", "seat", "node")
DELEGATION = struct(
    coalition=HASH, issuer=KEY, subject=KEY, partner=TEXT, capabilities=list_of(KEY_CAPABILITY),
    operations=option(list_of(TEXT)), not_before=option(U64), not_after=U64, last_epoch=option(U64), depth=U8
)
CHAIN = list_of(struct(delegation=DELEGATION, signature=SIGNATURE))
CHARTER_SIGNATURE = struct(coalition=HASH, partner=TEXT, signature=SIGNATURE, delegations=list_of(CHAIN))
FOUNDING = struct(charter=CHARTER, signatures=list_of(CHARTER_SIGNATURE))

# "Records" and "Record feeds"
FEED_KEY = struct(node=KEY, lane=LANE, incarnation=U32)
HEAD = struct(length=U64, hash=HASH)
ACCESSION = struct(coalition=HASH, version=HASH, partner=PARTNER, signature=SIGNATURE, delegations=list_of(CHAIN))
AMENDMENT = struct(
    version=U32, previous=HASH, remove=list_of(TEXT), put=list_of(OPERATION_TYPE), integrity=option(INTEGRITY),
    authority=option(AUTHORITY_RULES), capabilities=option(list_of(CAPABILITY)), admit=list_of(ACCESSION), result=HASH,
)
ASSET_ACT = enum(
    Declare=struct(name=TEXT, kind=TEXT, label=TEXT),
    Contribute=struct(asset=HASH, operation=HASH, caveat=option(TEXT), control=enum(Owner=None, Lead=list_of(TEXT))),
    Recall=struct(asset=HASH, ground=option(TEXT)),
)
EVENT_KIND = names(
    "impersonation", "forced-disclosure", "equivocation", "flood", "withholding", "replay", "declared-failure"
)
MATTER = struct(
    kind=EVENT_KIND, against=option(TEXT), key=option(KEY), victim=option(TEXT),
)
ON_EVENT = struct(event=HASH, ground=option(TEXT))
SHOWN = enum(
    Credential=CHAIN,
    Cosignature=struct(seat=U16, head=struct(size=U64, root=HASH, time_s=U64), signature=SIGNATURE),
    Commitment=struct(exhibit=names("credential", "message"), digest=HASH, length=U64),
)
INTEGRITY_ACT = enum(
    Report=struct(
        matter=MATTER, text=TEXT, evidence=list_of(HASH), proof=option(HASH), since=option(U64), shown=option(SHOWN)
    ),
    Confirm=ON_EVENT,
    Withdraw=ON_EVENT,
    Vote=struct(event=HASH, measure=names("suspend", "lift"), ground=option(TEXT)),
)
RULING = names("uphold", "annul", "remand")
WORD = names("order", "permit", "refuse", "recall")
OPEN = struct(kind=TEXT, title=TEXT, body=map_of(TEXT, TEXT), precedence=option(LANE))
SPEAK = struct(operation=HASH, authority=TEXT, word=WORD, ground=TEXT, number=U32, signatures=SIGNATURES)
REVOCATION = struct(
    coalition=HASH, partner=TEXT, issuer=KEY, reason=TEXT, target=enum(Key=KEY, Delegation=HASH), signature=SIGNATURE
)
ROTATION = struct(coalition=HASH, partner=TEXT, number=U32, old=KEY, new=KEY, signatures=SIGNATURES)
LEASE_ACT = enum(Open=struct(open=OPEN, seen=U64), Commit=struct(operation=HASH, seen=U64))
ACT = enum(
    Open=OPEN,
    Attest=struct(
        operation=HASH, role=ROLE, stance=STANCE, caveat=option(TEXT), evidence=list_of(HASH), supersedes=option(HASH)
    ),
    Asset=ASSET_ACT,
    Member=enum(
        Propose=struct(
            kind=TEXT,
            change=enum(
                Suspend=TEXT, Reinstate=TEXT, Expel=TEXT,
                Amend=AMENDMENT,
            ),
            reason=TEXT,
        ),
        Withdraw=struct(ground=TEXT),
        Watch=struct(officer=KEY, since=U64, note=option(TEXT)),
    ),
    Integrity=INTEGRITY_ACT,
    Handoff=enum(
        Offer=struct(
            operation=HASH, what=enum(Role=ROLE, Whole=None), to=TEXT, phase=option(TEXT), note=option(TEXT),
            expires=option(U64),
        ),
        Accept=struct(offer=HASH, acknowledges=enum(Each=list_of(HASH), All=HASH)),
        Decline=struct(offer=HASH, ground=option(TEXT)),
        Reclaim=struct(offer=HASH, ground=option(TEXT)),
        Takeover=struct(operation=HASH, ground=option(TEXT)),
        Conclude=struct(operation=HASH, note=option(TEXT)),
    ),
    Dispute=enum(
        Open=struct(subject=HASH, ground=option(TEXT), reason=TEXT),
        Rule=struct(dispute=HASH, number=U32, ruling=RULING, reason=option(TEXT)),
    ),
    Withdraw=struct(operation=HASH, attestation=HASH),
    Authority=enum(
        Speak=SPEAK,
        Publish=struct(alliance=ALLIANCE, signatures=SIGNATURES),
    ),
    Key=enum(
        Grant=CHAIN,
        Revoke=REVOCATION,
        Rotate=ROTATION,
    ),
    Lease=LEASE_ACT,
)
RECORD = struct(coalition=HASH, nonce=array(16), signer=KEY, act=ACT)
BRANCH = struct(hash=HASH, digests=list_of(HASH), signature=SIGNATURE)
VOTE_FEED = struct(seat=U16, incarnation=U32, era=U32, epoch=U64)
FRAME_STUB = struct(previous=HASH, votes=HASH, signature=SIGNATURE)
BODY = enum(
    Signed=struct(record=RECORD, signature=SIGNATURE),
    Note=BYTES,
    Due=struct(about=HASH, deadline=U64),
    Fork=struct(feed=FEED_KEY, length=U64, low=BRANCH, high=BRANCH),
    Equivocation=struct(feed=VOTE_FEED, seq=U32, low=FRAME_STUB, high=FRAME_STUB),
    Incident=struct(matter=MATTER, text=TEXT, count=U64, first=U64, last=U64, shown=option(SHOWN)),
)

VERDICT = names("agreed", "failed", "expired", "agreed-with-limits", "conflicted")

# "Refusals"
OVER = names("Failed", "Expired", "Conflicted", "Concluded", "Annulled")
MEMBERSHIP = names("Active", "Suspended", "Expelled", "Withdrawn")
EFFECT = names("Suspend", "Reinstate", "Expel", "Amend")
ITEM_KIND = names("Caveat", "Objection", "Asset", "Offer", "Dispute", "Refusal", "Commitment")
HANDOFF_END = names("Accepted", "Taken", "Declined", "Reclaimed", "Expired", "Lapsed")
PURPOSE = names("Root", "Officer", "Seat", "Node")
ROTATION_LACK = enum(SameRoot=None, Signatures=None, Stranger=KEY, New=KEY, Old=KEY)
UNSOUND = names("NoCapability", "OperationTypes", "Depth", "LastEpoch")
GAP = names("Circle", "Issuer", "Partner")
DIMENSION = names("Capabilities", "Operations", "NotBefore", "NotAfter", "LastEpoch", "Depth")
PART = names(
    "Kind", "Title", "Fields", "FieldName", "Field", "Caveat", "Evidence", "Label", "Ground", "Controllers", "Reason",
    "Report", "Commitments", "Incident", "Note", "Acknowledged", "Shown",
)
ASSET_REFUSAL = enum(
    NotAnAsset=struct(named=HASH), NotOwner=struct(partner=TEXT, owner=TEXT, name=TEXT),
    NameTaken=struct(owner=TEXT, name=TEXT, declared=HASH), TooMany=struct(owner=TEXT, most=U64),
    Lent=struct(name=TEXT, operation=HASH), AtHome=struct(name=TEXT),
    OperationOver=struct(operation=HASH, over=OVER, since=U64), Held=struct(operation=HASH, dispute=HASH),
    NoPart=struct(partner=TEXT, operation=HASH), TooManyLendings=struct(partner=TEXT, most=U64),
    Controllers=struct(name=TEXT), KeptOut=struct(partner=TEXT, operation=HASH, word=WORD, index=U64),
)
AMENDMENT_ERROR = enum(
    OtherVersion=struct(previous=HASH, version=U32, current=HASH), Malformed=struct(what=TEXT),
    OtherResult=struct(found=HASH, stated=HASH), Lint=struct(errors=list_of(TEXT)), Unchangeable=struct(what=TEXT),
    Accession=struct(error=TEXT), Unsigned=struct(partners=list_of(TEXT)), Same=None,
)
MEMBER_REFUSAL = enum(
    NotActive=struct(partner=TEXT, membership=MEMBERSHIP, since=U64),
    WrongEffect=struct(kind=TEXT, declared=option(EFFECT), meant=TEXT), OwnCause=struct(partner=TEXT),
    UnknownPartner=struct(partner=TEXT), NothingToDo=struct(partner=TEXT, membership=MEMBERSHIP, effect=EFFECT),
    TooManyProposals=struct(partner=TEXT, most=U64), OtherAmender=struct(kind=TEXT, other=TEXT),
    OlderWatch=struct(officer=KEY, start=U64), Amendment=AMENDMENT_ERROR,
    NotItsOfficer=struct(officer=KEY, partner=TEXT), FarWatch=struct(start=U64, now=U64),
    TooManyWatches=struct(partner=TEXT, most=U64),
)
INTEGRITY_REFUSAL = enum(
    NotAnEvent=struct(named=HASH), UnknownPartner=struct(named=TEXT), NotSeenByNodes=struct(kind=EVENT_KIND),
    Uncounted=None, TooMany=struct(partner=TEXT, most=U64), IsSubject=struct(partner=TEXT, event=HASH),
    OwnReport=struct(partner=TEXT, event=HASH), AlreadySaid=struct(partner=TEXT, event=HASH),
    NotReporter=struct(partner=TEXT, reporter=TEXT, event=HASH), Confirmed=struct(event=HASH, index=U64),
    Withdrawn=struct(event=HASH, index=U64), NotConfirmed=struct(event=HASH), Lifted=struct(event=HASH, index=U64),
    NotDeclared=struct(kind=EVENT_KIND, measure=names("suspend", "lift")), NothingToLift=struct(event=HASH),
    MayNotVote=struct(partner=TEXT, voters=list_of(TEXT)), Quarantined=struct(key=KEY, event=HASH, since=U64),
)
HANDOFF_REFUSAL = enum(
    NotAnOffer=struct(named=HASH), OperationOver=struct(operation=HASH, over=OVER, since=U64),
    NotLead=struct(partner=TEXT, lead=TEXT, operation=HASH), NotHeld=struct(partner=TEXT, role=ROLE),
    NothingToHand=ROLE, NotEligible=struct(to=TEXT, role=ROLE, eligible=list_of(TEXT)), NoPartner=struct(to=TEXT),
    ToItself=struct(partner=TEXT), PhaseWithoutLead=None, NotNextPhase=struct(named=TEXT, next=option(TEXT)),
    NotAgreed=struct(operation=HASH), AlreadyPast=struct(expires=U64),
    OfferOpen=struct(partner=TEXT, to=TEXT, offer=HASH), TooManyOffers=struct(partner=TEXT, most=U64),
    NotOpen=struct(handoff_end=HANDOFF_END, since=U64), NotOfferedTo=struct(partner=TEXT, to=TEXT),
    NotOfferer=struct(partner=TEXT, start=TEXT),
    NotAcknowledged=struct(missing=list_of(struct(record=HASH, item_kind=ITEM_KIND, partner=TEXT)), more=U64),
    OtherItems=struct(found=HASH, open=U64), Unsorted=None, NoTakeover=struct(kind=TEXT),
    NotSuccessor=struct(partner=TEXT, successor=TEXT),
    LeadAnswers=struct(lead=TEXT, silence=option(struct(since=U64, silent_ms=U64)), lapsed=option(U64)),
    Disputed=struct(operation=HASH, dispute=HASH), HandedOver=struct(partner=TEXT, role=ROLE),
    TakenOver=struct(partner=TEXT, by=TEXT),
)
DISPUTE_REFUSAL = enum(
    NotDisputable=struct(named=HASH), NotADispute=struct(named=HASH), NoDisputes=struct(kind=TEXT),
    NoPart=struct(partner=TEXT, operation=HASH), Ground=struct(declared=list_of(TEXT)),
    TooEarly=struct(subject=HASH, about=names("operation", "handoff", "attestation")), TooLate=struct(until=U64),
    Already=struct(dispute=HASH, is_open=TRUTH), Annulled=struct(operation=HASH),
    TooMany=struct(partner=TEXT, most=U64), NoJudges=struct(panel=list_of(TEXT), threshold=U32),
    NotOpen=struct(ruling=option(RULING), since=U64), NotJudge=struct(partner=TEXT, panel=list_of(TEXT)),
    Party=struct(partner=TEXT), CannotRemand=None, OlderWord=struct(partner=TEXT, number=U32, last=U32),
    TooManyWords=struct(partner=TEXT, most=U32), Follows=struct(operation=HASH, dispute=option(HASH)),
)
AUTHORITY_REFUSAL = enum(
    Unknown=struct(name=TEXT, known=list_of(TEXT)), NoVoice=struct(partner=TEXT, authority=TEXT),
    Stranger=struct(key=KEY, authority=TEXT), Signatures=struct(reason=TEXT), Number=struct(key=KEY, last=U32),
    Older=struct(partner=TEXT, last=U32), NotToOrder=struct(authority=TEXT), NotNeeded=struct(kind=TEXT),
    NotANation=struct(authority=TEXT), Decided=struct(operation=HASH, word=WORD, since=U64),
    Over=struct(operation=HASH, since=U64), NoGround=WORD, TooMany=struct(partner=TEXT, most=U64),
    NotReferred=struct(name=TEXT), VersionKnown=struct(name=TEXT, version=U32, same=TRUTH),
    Gap=struct(name=TEXT, version=U32, latest=U32), Document=struct(reason=TEXT),
    TooManyVersions=struct(name=TEXT, most=U64), ByKeys=struct(authority=TEXT),
)
OPERATION_REFUSAL = enum(
    LaneAbove=struct(lane=LANE, most=LANE), Escalated=struct(to=TEXT),
    UnknownField=struct(name=TEXT, fields=list_of(TEXT)), MissingField=struct(name=TEXT),
    BadValue=struct(name=TEXT, why=TEXT), BadInterval=struct(start=TEXT, until=TEXT),
    Taken=struct(claim=TEXT, holder=HASH, partner=TEXT, title=TEXT), NotRaised=struct(asked=LANE, declared=LANE),
    MayNotRaise=struct(partner=TEXT, may=list_of(TEXT)), EvidenceOrder=None,
    NothingToWithdraw=struct(partner=TEXT, named=HASH), Withdrawn=struct(named=HASH),
    ToAuthority=struct(to=TEXT),
)
CREDENTIAL_ERROR = enum(
    Length=U64, UnknownRoot=struct(issuer=KEY), UnknownPartner=struct(partner=TEXT),
    NotDeclared=struct(subject=KEY, partner=TEXT, capability=KEY_CAPABILITY), WrongCoalition=struct(named=HASH),
    WrongCapability=struct(found=list_of(KEY_CAPABILITY), wanted=KEY_CAPABILITY),
    WrongOperation=struct(extent=EXTENT, wanted=TEXT), Unsound=struct(link=U64, reason=UNSOUND),
    BrokenLink=struct(link=U64, reason=GAP), Widened=struct(link=U64, dimension=DIMENSION),
    BadSignature=struct(link=U64), NotYetValid=struct(not_before=U64, now=U64), Expired=struct(not_after=U64, now=U64),
    EpochPassed=struct(last_epoch=U64, epoch=U64),
)
REVOCATION_ERROR = enum(
    Chain=CREDENTIAL_ERROR, WrongCoalition=struct(named=HASH), WrongPartner=struct(named=TEXT, partner=TEXT),
    NotInChain=None, NotAbove=struct(issuer=KEY, link=U64), Reason=None, BadSignature=struct(issuer=KEY),
)
KEY_REFUSAL = enum(
    Revoked=struct(key=KEY, partner=TEXT, index=U64, by=HASH),
    Credential=struct(partner=TEXT, credential_error=CREDENTIAL_ERROR),
    Bound=struct(key=KEY, partner=TEXT, extent=EXTENT), EmptyChain=None, UnknownPartner=struct(partner=TEXT),
    NotGranted=KEY_CAPABILITY, NotThroughOfficer=struct(issuer=KEY, link=U64),
    Taken=struct(key=KEY, partner=TEXT, purpose=PURPOSE), Granted=struct(key=KEY),
    Removed=struct(link=U64, index=U64, by=HASH), TooMany=struct(partner=TEXT, capability=KEY_CAPABILITY, most=U64),
    NoPlaces=struct(partner=TEXT, most=U64), TooManyGrants=struct(partner=TEXT, most=U64, by_officers=TRUTH),
    Revocation=REVOCATION_ERROR, NothingRevoked=struct(partner=TEXT), RotationElsewhere=struct(named=HASH),
    NotTheRoot=struct(named=KEY, partner=TEXT, root=KEY), RotationNumber=struct(found=U32, expected=U32, partner=TEXT),
    RotationUnsigned=struct(partner=TEXT, rotation_lack=ROTATION_LACK), TooManyRotations=struct(partner=TEXT, most=U64),
)
LEASE_REFUSAL = enum(
    Leased=struct(claim=TEXT, lease=TEXT, partner=TEXT), NothingClaimed=struct(kind=TEXT),
    NotHeld=struct(partner=TEXT, claim=TEXT, holder=option(TEXT)), Already=struct(partner=TEXT, record=HASH),
    TooManyConflicts=struct(partner=TEXT, most=U64),
)
REFUSAL = enum(
    Malformed=None, UnknownNode=struct(node=KEY), ForeignCoalition=struct(named=HASH), UnknownSigner=struct(signer=KEY),
    BadSignature=struct(signer=KEY), CredentialExpired=struct(partner=TEXT, not_after=U64),
    TooLong=struct(part=PART, found=U64, most=U64), Unshowable=PART, UndeclaredType=struct(kind=TEXT),
    MayNotOpen=struct(partner=TEXT, eligible=list_of(TEXT)), TooManyOpen=struct(partner=TEXT, most=U64),
    RoleNotHeld=struct(partner=TEXT, role=ROLE, held=list_of(ROLE)), NotAnOperation=struct(named=HASH),
    Closed=struct(operation=HASH, verdict=option(VERDICT), since=U64),
    AlreadyAttested=struct(partner=TEXT, standing=HASH), SupersedesNotOwn=struct(partner=TEXT, named=HASH),
    SupersedesReplaced=struct(named=HASH, standing=HASH), TooManyAttestations=struct(partner=TEXT, most=U64),
    TooManyParked=struct(partner=TEXT, awaits=HASH, most=U64), NeverApplied=struct(awaits=HASH),
    NotYetApplied=struct(awaits=HASH), Asset=ASSET_REFUSAL, Member=MEMBER_REFUSAL, Integrity=INTEGRITY_REFUSAL,
    Handoff=HANDOFF_REFUSAL, Dispute=DISPUTE_REFUSAL, Authority=AUTHORITY_REFUSAL, Operation=OPERATION_REFUSAL,
    Key=KEY_REFUSAL, InvalidForkProof=None, InvalidEquivocation=None, Lease=LEASE_REFUSAL,
)

# "The log" and "Receipts"
NEED = struct(
    of=enum(endorsements=None, weight=None, share=U32, presence=None), role=option(ROLE), needed=U32, missing=U32,
    candidates=list_of(struct(partner=TEXT, stance=option(STANCE), gives=U32, others=list_of(TEXT))),
)
DEFICIT = struct(
    needs=list_of(NEED),
    either=list_of(list_of(NEED)),
    awaited=list_of(TEXT),
    vetoed_by=list_of(TEXT),
    veto_unused=list_of(TEXT),
)
STANDING = struct(record=HASH, partner=TEXT, role=ROLE, stance=STANCE, caveat=option(TEXT), evidence=list_of(HASH))
MANDATE = struct(
    needed=TEXT, decision=names("allowed", "refused", "waits"), by=list_of(TEXT), overruled=list_of(TEXT),
    withheld=list_of(TEXT), unheard=list_of(TEXT),
    words=list_of(struct(authority=TEXT, kind=KIND, word=WORD, ground=TEXT, record=HASH)), lacks=option(TEXT),
)
LEAF = enum(
    Entry=struct(
        feed=FEED_KEY, length=U64, hash=HASH, record=option(HASH),
        disposition=enum(Applied=None, Duplicate=U64, Refused=REFUSAL, Parked=HASH, Void=U64),
    ),
    Decision=struct(
        operation=HASH, kind=TEXT, title=TEXT, verdict=VERDICT,
        limits=option(TEXT), decided_at=U64, decided_by=option(U64), charter_version=U32,
        charter=HASH, concerns=option(TEXT), changed=option(TRUTH),
        by_new_rule=TRUTH, stage=names("first", "deferred", "escalated"), word=option(STANDING), counted=list_of(STANDING), deficit=DEFICIT,
        mandates=list_of(MANDATE),
        conflicts=list_of(struct(claim=TEXT, partner=TEXT, lease=option(TEXT), holder=option(HASH))),
    ),
    Epoch=struct(
        coalition=HASH, era=U32, epoch=U64, seats=U16, charter_version=U32,
        agreed=list_of(struct(seat=U16, digest=HASH)),
        committed=list_of(struct(feed=FEED_KEY, head=HEAD, frozen=TRUTH)),
        state_root=HASH, time=U64, coin=names("public", "threshold"), key_version=U32, dealings=option(HASH),
        activation=option(U64),
    ),
    Ruling=struct(
        dispute=HASH, subject=HASH, about=names("operation", "handoff", "attestation"), operation=HASH, kind=TEXT, title=TEXT,
        opened_by=TEXT, ground=option(TEXT), reason=TEXT, ruling=RULING, ruled_at=U64, ruled_by=option(U64),
        charter_version=U32, charter=HASH, panel=list_of(TEXT), threshold=U32,
        words=list_of(
            struct(record=HASH, partner=TEXT, ruling=RULING, reason=option(TEXT), index=U64, at=U64, number=U32)
        ),
    ),
)
CHARTER_CHAIN = struct(founding=FOUNDING, amendments=list_of(AMENDMENT))
EXTRA = struct(leaf=BYTES, founding=BYTES)

# ---------------------------------------------------------------------------------------------------------------------
# What is verified


def verify_founding(data, coalition):
    """The charter, if its hash is the id and every root signed it and what it delegates."""
    founding = decode(CHARTER_CHAIN, data, "founding")["founding"]
    charter = founding["charter"]
    need(H("entente/charter/v1", CHARTER[1](charter)) == coalition, "the charter is of another coalition")
    need(charter["version"] == 1 and charter["admitted"] == [], "another version of the charter")
    partners = charter["partners"]
    order = [partner["name"] for partner in partners]
    need(order == sorted(set(order)), "the partners are not in order")
    need([word["partner"] for word in founding["signatures"]] == order, "not exactly every partner signed")
    for partner, word in zip(partners, founding["signatures"]):
        name = partner["name"]
        need(word["coalition"] == coalition, f"{name} signed another charter")
        signed_under("entente/charter-signature/v1", partner["root"], coalition, word["signature"], f"charter, {name}")
        stated = [(key, "officer") for key in partner["officers"]]
        stated += [(partner["seat"], "seat")] + [(key, "node") for key in partner["nodes"]]
        need(len(word["delegations"]) == len(stated), f"{name} does not delegate what the charter states")
        for chain, (subject, capability) in zip(word["delegations"], stated):
            need(len(chain) == 1, f"{name}: a chain of {len(chain)} links")
            link = chain[0]
            expected = {
                "coalition": coalition, "issuer": partner["root"], "subject": subject, "partner": name,
                "capabilities": [(capability, None)], "operations": None, "not_before": None,
                "not_after": partner["credentials_until"], "last_epoch": None, "depth": 0,
            }
            need(link["delegation"] == expected, f"{name} does not delegate what the charter states")
            message = DELEGATION[1](link["delegation"])
            signed_under("entente/delegation/v1", partner["root"], message, link["signature"], f"delegation, {name}")
    return charter


def key_id(name, key):
    return sha256(name.encode(), b"\n\x04", key)[:4]


def read_checkpoint(text, coalition):
    """Size and root of a coalition's log."""
    fields = text.split("\n")
    need(len(fields) == 4 and fields[3] == "", "the checkpoint has not three lines")
    need(fields[0] == "entente/co-" + base32(coalition), "the checkpoint is of another log")
    need(fields[1].isascii() and fields[1].isdigit() and str(int(fields[1])) == fields[1], "the size is no decimal")
    size, root = int(fields[1]), from_base64(fields[2])
    need(size <= 1 << 56, "the size is out of range")
    need(len(root) == 32, "the root has not 32 bytes")
    return size, root


def verify_checkpoint(note, charter, coalition):
    """Size and root of the log, if exactly a quorum of seats cosigned them, in seat order and at one time."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    need(lines.endswith("\n"), "the note does not end in a newline")
    origin = "entente/co-" + base32(coalition)
    size, root = read_checkpoint(text, coalition)

    seats = [(f"{origin}/{partner['name']}", partner["seat"]) for partner in charter["partners"]]
    quorum = len(seats) - (len(seats) - 1) // 3
    lines = lines[:-1].split("\n")
    need(len(lines) == quorum, f"{len(lines)} cosignatures where the quorum is {quorum}")
    times, signers = set(), []
    for line in lines:
        need(line.startswith("\u2014 ") and line.count(" ") == 2, "a signature line is malformed")
        _, name, blob = line.split(" ")
        blob = from_base64(blob)
        need(len(blob) == 4 + 8 + 64, "a signature line has another length")
        seat = next((i for i, known in enumerate(seats) if known[0] == name), None)
        need(seat is not None and blob[:4] == key_id(*seats[seat]), f"{name} is no seat, or has another key")
        time_s = int.from_bytes(blob[4:12], "big")
        message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
        signed(seats[seat][1], message, blob[12:], f"cosignature, {name}")
        times.add(time_s)
        signers.append(seat)
    need(signers == sorted(set(signers)), "the cosignatures are not in seat order")
    need(len(times) == 1, "the cosignatures have several times")
    return size, root, times.pop(), [charter["partners"][seat]["name"] for seat in signers]


def verify_inclusion(leaf, index, size, path, root):
    """RFC 9162, section 2.1.3.2."""
    need(index < size, "the index lies beyond the log")
    node, last, value = index, size - 1, sha256(b"\0", leaf)
    for sibling in path:
        need(last != 0, "the proof is too long")
        if node & 1 or node == last:
            value = sha256(b"\1", sibling, value)
            while node & 1 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            value = sha256(b"\1", value, sibling)
        node, last = node >> 1, last >> 1
    need(last == 0, "the proof is too short")
    need(value == root, "the proof leads to another root")


def verify_receipt(data, coalition):
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refused("the receipt is not UTF-8") from None
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1", "the file is no receipt")
    need(lines[1].startswith("extra ") and lines[2].startswith("index "), "a line of the receipt is missing")
    number = lines[2][6:]
    need(number.isascii() and number.isdigit() and str(int(number)) == number, "the index is no decimal")
    path = [from_base64(line) for line in lines[3:]]
    need(all(len(sibling) == 32 for sibling in path), "a hash of the proof has not 32 bytes")
    extra = decode(EXTRA, from_base64(lines[1][6:]), "extra")

    charter = verify_founding(extra["founding"], coalition)
    size, root, time_s, signers = verify_checkpoint(note, charter, coalition)
    verify_inclusion(extra["leaf"], int(number), size, path, root)
    leaf = decode(LEAF, extra["leaf"], "leaf")
    return charter, leaf, {"index": int(number), "size": size, "time_s": time_s, "signers": signers}


def verify_policy(text, charter, coalition):
    """Whether the policy file names exactly the seats that the charter does, and their quorum."""
    origin = "entente/co-" + base32(coalition)
    partners = charter["partners"]
    lines = []
    for partner in partners:
        name, key = f"{origin}/{partner['name']}", partner["seat"]
        vkey = f"{name}+{key_id(name, key).hex()}+{base64.b64encode(bytes([4]) + key).decode()}"
        lines.append(f"witness seat/{partner['name']} {vkey}")
    members = " ".join(f"seat/{partner['name']}" for partner in partners)
    lines += [f"group seats {len(partners) - (len(partners) - 1) // 3} {members}", "quorum seats"]
    found = [line for line in text.split("\n") if line and not line.startswith("#")]
    need(found == lines, "the policy file does not name the charter's seats and quorum")
    need(f"# Log: {origin}" in text.split("\n"), "the policy file is of another log")


def verify_feed(page, charter, coalition):
    """Every hash from the root on, every signature, every record. Hashes by length."""
    need(prefixed(page["coalition"], "co-", 32) == coalition, "the feed is of another coalition")
    node = prefixed(page["feed"]["node"], "ed25519:", 32)
    need(any(node in partner["nodes"] for partner in charter["partners"]), "the author is no node of this coalition")
    feed = {"node": node, "lane": (page["feed"]["lane"], None), "incarnation": page["feed"]["incarnation"]}
    need(feed["lane"][0] in ("flash", "immediate", "priority", "routine"), "no such lane")
    author = FEED_KEY[1](feed)
    previous = H("entente/feed/v1", coalition, author)
    need(from_base32(page["root"], 32) == previous, "the feed begins with another root")
    need(len(page["entries"]) == page["length"], f"{len(page['entries'])} of {page['length']} entries are there")
    officers = {key for partner in charter["partners"] for key in partner["officers"]}
    hashes, records, vouched = {}, {}, 0
    for length, entry in enumerate(page["entries"], 1):
        what = f"{page['feed']['lane']} feed, entry {length}"
        need(entry["length"] == length, f"{what}: it says {entry['length']}")
        body = bytes.fromhex(entry["body"])
        need(len(body) <= 16 * 1024, f"{what}: {len(body)} bytes")
        previous = H("entente/entry/v1", previous, H("entente/body/v1", body))
        need(from_base32(entry["hash"], 32) == previous, f"{what}: another hash")
        if entry["signature"] is not None:
            signature = prefixed(entry["signature"], "ed25519:", 64)
            message = coalition + author + HEAD[1]({"length": length, "hash": previous})
            signed_under("entente/head/v1", node, message, signature, what)
            vouched = length
        kind, content = decode(BODY, body, what)
        if kind == "Signed":
            record = RECORD[1](content["record"])
            need(content["record"]["coalition"] == coalition, f"{what}: of another coalition")
            need(content["record"]["signer"] in officers, f"{what}: signed by no officer")
            signed_under("entente/record/v1", content["record"]["signer"], record, content["signature"], what)
            records[length] = H("entente/record/v1", record)
        hashes[length] = previous
    need(vouched == page["length"], "the last entries are not signed")
    return feed, hashes, records


# The files of golden vectors, and what each holds.
VECTORS = {
    "body": BODY, "leaf": LEAF, "refusal": REFUSAL, "charter": CHARTER, "charter_chain": CHARTER_CHAIN,
    "amendment": AMENDMENT, "credential": CHAIN, "revocation": REVOCATION, "rotation": ROTATION, "word": SPEAK,
    "lease": LEASE_ACT,
}
# What an encoding alone shows to be wrong; the rest is for whoever knows what it is about.
MISFITS = ("malformed: it ends too early", "not the canonical encoding")


def verify_vectors(folder):
    """Reads every valid vector, and refuses every invalid one whose encoding is at fault. How many of each."""
    read = refused = 0
    for name, of in VECTORS.items():
        with open(f"{folder}/{name}.txt", encoding="utf-8") as file:
            vectors = file.read().split("\n== ")[1:]
        for vector in vectors:
            title, *lines = vector.split("\n")
            error = next((line[7:] for line in lines if line.startswith("error: ")), None)
            data = bytes.fromhex("".join(line.split("#")[0] for line in lines if not line.startswith("error: ")))
            what = f"{name}.txt, {title}"
            if error is None:
                decode(of, data, what)
                read += 1
            elif error in MISFITS or error.endswith("left over behind the value"):
                try:
                    decode(of, data, what)
                except Refused:
                    refused += 1
                else:
                    raise Refused(f"{what}: it was read, and should not be")
    return read, refused


def edited(lines, how):
    """Lines of a text, each with its newline, after one edit of a vector."""
    if how == "cut":
        return lines[:-1] + [lines[-1][:-1]]
    place, _, line = how.partition(": ")
    what, at = place.split(" ")
    at = int(at) - 1
    if what == "without":
        return lines[:at] + lines[at + 1:]
    if what == "before":
        return lines[:at] + [line + "\n"] + lines[at:]
    need(what == "line", f"no edit of a vector: {how}")
    return lines[:at] + [line + ("\n" if lines[at].endswith("\n") else "")] + lines[at + 1:]


def text_vectors(path):
    """Name, error if it is invalid, and text of each vector of a file."""
    with open(path, encoding="utf-8") as file:
        vectors = file.read().split("\n== ")[1:]
    texts = {}
    for vector in vectors:
        title, *rows = vector.split("\n")
        error, lines = None, []
        for row in rows:
            if row.startswith("|"):
                lines.append(row[2:] + "\n")
            elif row.startswith("> "):
                lines.append(row[2:])
            elif row.startswith("error: "):
                error = row[7:]
            elif row.startswith("like: "):
                lines = list(texts[row[6:]][1])
            elif row:
                lines = edited(lines, row)
        texts[title] = (error, lines)
    return [(title, error, "".join(lines)) for title, (error, lines) in texts.items()]


# Ids, keys and nonces in text: what stands before the base32, and how many bytes it is of.
TEXT_IDS = {
    "Hash": ("", 32), "CoalitionId": ("co-", 32), "RecordId": ("op-", 32), "EvidenceId": ("ev-", 32), "PublicKey": ("ed25519:", 32),
    "Signature": ("ed25519:", 64), "Nonce": ("", 16),
}


def verify_texts(folder):
    """Reads and verifies every valid text, and refuses every invalid one. How many of each."""
    files = {name: text_vectors(f"{folder}/{name}.txt") for name in ("id", "checkpoint", "note", "receipt", "policy")}
    # The coalition is the one that the receipt's checkpoint names: a reader knows it from elsewhere.
    receipt = files["receipt"][0][2]
    coalition = prefixed(receipt.split("\n\n")[1].split("\n")[0], "entente/co-", 32)
    charter, _, _ = verify_receipt(receipt.encode(), coalition)

    def read_id(title, text):
        key = prefixed(text, *TEXT_IDS[title.split(",")[0]])
        if title.startswith("PublicKey"):
            need_point(key, title)

    readers = {
        "id": read_id,
        "checkpoint": lambda _, text: read_checkpoint(text, coalition),
        "note": lambda _, text: verify_checkpoint(text, charter, coalition),
        "receipt": lambda _, text: verify_receipt(text.encode(), coalition),
        "policy": lambda _, text: verify_policy(text, charter, coalition),
    }
    read = refused = 0
    for name, vectors in files.items():
        for title, error, text in vectors:
            if error is None:
                readers[name](title, text)
                read += 1
                continue
            try:
                readers[name](title, text)
            except Refused:
                refused += 1
            else:
                raise Refused(f"{name}.txt, {title}: it was read, and should not be")
    return read, refused


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("receipt", nargs="?", help="a .tlog-proof file")
    arguments.add_argument("--coalition", help="the coalition that you know: co-...")
    arguments.add_argument("--vectors", help="the folder of the golden vectors: reads these instead")
    arguments.add_argument("--policy", help="the file of `entente policy export`")
    arguments.add_argument("--feed", action="append", default=[], help="the file of `entente --json feed`; may be given again")
    arguments.add_argument("--operation", action="store_true", help="print only the id of the operation that was decided")
    asked = arguments.parse_args()
    if not asked.vectors and not (asked.receipt and asked.coalition):
        arguments.error("a receipt and --coalition, or --vectors")
    try:
        if asked.vectors:
            print("vectors     {} read, {} refused".format(*verify_vectors(asked.vectors)))
            print("texts       {} read, {} refused".format(*verify_texts(asked.vectors + "/text")))
            return
        coalition = prefixed(asked.coalition, "co-", 32)
        with open(asked.receipt, "rb") as file:
            charter, (kind, leaf), proven = verify_receipt(file.read(), coalition)
        if asked.operation:
            need(kind == "Decision", "the leaf is no decision")
            print("op-" + base32(leaf["operation"]))
            return
        names_of = ", ".join(proven["signers"])
        print(f"charter     {charter['name']}: signed by every partner")
        print(f"checkpoint  {proven['size']} leaves, cosigned by {names_of} at {proven['time_s']}")
        what = {
            "Decision": lambda: f"{leaf['title']!r}: {leaf['verdict'][0]}",
            "Entry": lambda: f"{leaf['feed']['lane'][0]} {leaf['length']}: {leaf['disposition'][0]}",
            "Ruling": lambda: f"{leaf['title']!r}: {leaf['ruling'][0]}",
            "Epoch": lambda: f"end of epoch {leaf['epoch']}",
        }[kind]()
        print(f"receipt     leaf {proven['index']}, {kind.lower()} {what}")
        if asked.policy:
            with open(asked.policy, encoding="utf-8") as file:
                verify_policy(file.read(), charter, coalition)
            print("policy      names the charter's seats and quorum")
        counted = {said["record"] for said in leaf["counted"]} if kind == "Decision" else set()
        found = set()
        for path in asked.feed:
            with open(path, encoding="utf-8") as file:
                page = json.load(file)
            feed, hashes, records = verify_feed(page, charter, coalition)
            if kind == "Entry" and leaf["feed"] == feed and leaf["length"] in hashes:
                need(leaf["hash"] == hashes[leaf["length"]], "the receipt's entry has another hash in the feed")
                need(leaf["record"] in (None, records.get(leaf["length"])), "the receipt's entry holds another record")
            found |= counted.intersection(records.values())
            print(f"feed        {page['partner']}, {feed['lane'][0]}: {len(hashes)} entries, {len(records)} records")
        if counted and asked.feed:
            print(f"            {len(found)} of the {len(counted)} attestations that the decision counts are in these feeds")
    except Refused as why:
        sys.exit(f"verify.py: REFUSED: {why}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as why:
        sys.exit(f"verify.py: REFUSED: cannot be read: {why!r}")
    print("VERIFIED")


if __name__ == "__main__":
    main()
