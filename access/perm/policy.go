package perm

import (
	"context"
	"fmt"

	"projhost/access/authz"
)

// verdict is what a policy says to a question.
type verdict int8

const (
	neutral verdict = iota // the next policy decides
	allow
	deny
)

// policy decides, or leaves it to the next, what c's user may do.
type policy func(ctx context.Context, c *Checker, action string, res Resource) (verdict, error)

// Policies by the names that Trac 1.6 gives them.
const (
	storePolicy      = "DefaultPermissionPolicy"
	wikiPolicy       = "DefaultWikiPolicy"
	olderWikiPolicy  = "ReadonlyWikiPolicy" // of Trac 1.0, the same for pages
	ticketPolicy     = "DefaultTicketPolicy"
	attachmentPolicy = "LegacyAttachmentPolicy"
	rulesPolicy      = "AuthzPolicy"
	sourcePolicy     = "AuthzSourcePolicy"
)

// policyNamed returns a policy of Trac's; ok is false if this program does not have
// it. That of tickets is nil: it only ever allows, and nothing of what a reporter or
// the author of a comment may do besides can be done here yet.
func policyNamed(name string) (p policy, ok bool) {
	switch name {
	case storePolicy:
		p = byStore
	case wikiPolicy, olderWikiPolicy:
		p = byPage
	case ticketPolicy:
	case attachmentPolicy:
		p = byAttachment
	case rulesPolicy:
		p = byRules
	case sourcePolicy:
		p = bySource
	default:
		return nil, false
	}
	return p, true
}

// allowed asks the chain.
func (c *Checker) allowed(ctx context.Context, action string, res Resource) (bool, error) {
	for _, decide := range c.chain.policies {
		if v, err := decide(ctx, c, action, res); v != neutral || err != nil {
			return v == allow && err == nil, err
		}
	}
	return false, nil
}

// byStore is the permission table.
func byStore(_ context.Context, c *Checker, action string, _ Resource) (verdict, error) {
	if c.granted.covers(action) {
		return allow, nil
	}
	return neutral, nil
}

// byPage keeps pages that are marked as read-only for those who administer them.
func byPage(ctx context.Context, c *Checker, action string, res Resource) (verdict, error) {
	if res.Realm != "wiki" {
		return neutral, nil
	}
	switch action {
	case "WIKI_CHANGE_READONLY":
	case "WIKI_DELETE", "WIKI_MODIFY", "WIKI_RENAME":
		if res.ID == "" {
			return neutral, nil
		}
		if marked, err := pageReadOnly(ctx, c.env, res.ID); !marked || err != nil {
			return neutral, err
		}
	default:
		return neutral, nil
	}
	administers, err := c.allowed(ctx, "WIKI_ADMIN", res)
	switch {
	case !administers:
		return deny, err
	case action == "WIKI_CHANGE_READONLY":
		return allow, nil
	}
	return neutral, nil
}

// attachmentRealm is the realm of attached files.
const attachmentRealm = "attachment"

// onParent is the action on what a file is attached to that decides about an action
// on the file, "" if none does.
func onParent(action, realm string) string {
	names := map[string][3]string{ // to see, to attach, to remove
		"wiki":      {"WIKI_VIEW", "WIKI_MODIFY", "WIKI_DELETE"},
		"ticket":    {"TICKET_VIEW", "TICKET_APPEND", "TICKET_ADMIN"},
		"milestone": {"MILESTONE_VIEW", "MILESTONE_MODIFY", "MILESTONE_DELETE"},
	}[realm]
	switch action {
	case "ATTACHMENT_VIEW":
		return names[0]
	case "ATTACHMENT_CREATE":
		return names[1]
	case "ATTACHMENT_DELETE":
		return names[2]
	}
	return ""
}

// TakesAttachments tells whether files are attached to things of a realm.
func TakesAttachments(realm string) bool { return onParent("ATTACHMENT_VIEW", realm) != "" }

// byAttachment has what a file is attached to decide; who attached it may remove it.
func byAttachment(ctx context.Context, c *Checker, action string, res Resource) (verdict, error) {
	if res.Realm != attachmentRealm || res.Parent == nil {
		return neutral, nil
	}
	instead := onParent(action, res.Parent.Realm)
	if instead == "" {
		return neutral, nil
	}
	ok, err := c.allowed(ctx, instead, *res.Parent)
	if err == nil && !ok && action == "ATTACHMENT_DELETE" && c.user.Known() {
		var author string
		author, err = attachmentAuthor(ctx, c.env, *res.Parent, res.ID)
		ok = author == c.user.Name()
	}
	if err != nil || !ok {
		return deny, err
	}
	return allow, nil
}

// byRules is the file of rules of Trac's AuthzPolicy.
func byRules(_ context.Context, c *Checker, action string, res Resource) (verdict, error) {
	items, ok := c.rules.Find(descriptor(res))
	switch {
	case !ok:
		return neutral, nil
	case len(items) == 0:
		return deny, nil
	}
	for _, i := range items {
		if c.chain.covers(i, action) {
			if i.Denied {
				return deny, nil
			}
			return allow, nil
		}
	}
	return neutral, nil
}

// covers tells whether an item of a rule is about an action: it names it, or one
// that brings it along.
func (ch *chain) covers(i authz.Item, action string) bool {
	return ch.meant[i.Action].covers(action)
}

// descriptor is a resource as patterns of rules have it, after what it is a part of;
// what is missing is "*" (Trac 1.6).
func descriptor(r Resource) string {
	or := func(s string) string {
		if s == "" {
			return "*"
		}
		return s
	}
	own := fmt.Sprintf("%s:%s@%s", or(r.Realm), or(r.ID), or(r.Version))
	if r.Parent == nil {
		return own
	}
	return descriptor(*r.Parent) + "/" + own
}

// bySource is Trac's AuthzSourcePolicy, which looks for paths of repositories in a
// file of Subversion's. No page here shows a repository, so it refuses what it would
// have to decide, which is never more than Trac grants, and leaves all else alone.
func bySource(_ context.Context, _ *Checker, action string, res Resource) (verdict, error) {
	switch res.Realm + " " + action {
	case "source BROWSER_VIEW", "source FILE_VIEW", "source LOG_VIEW", "changeset CHANGESET_VIEW":
		return deny, nil
	}
	return neutral, nil
}
