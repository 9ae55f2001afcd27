package tracini

// optionTable lists every option that Trac 1.6 registers, and the free-form
// sections. One line an option, its fields parted by tabs:
//
//	section  name  type  default  initial  extra  component
//
// A name "*" marks a section whose options have names of the user's own; a name
// holding "<item>" is a pattern for such options. "initial" is what a new
// environment's trac.ini gets: nothing, "+" for the default, or the value.
// "extra" depends on the type: the separators of a list; the choices of a
// choice, led by "~" where case does not count; the components that Trac ships.
// A component led by "-" reads the option without registering it; "-projhost"
// marks those of this program, which are none of Trac's.
const optionTable = `
attachment	max_size	int	262144	+		trac.attachment.AttachmentModule
attachment	max_zip_size	int	2097152	+		trac.attachment.AttachmentModule
attachment	render_unsafe_content	bool	disabled	+		trac.attachment.AttachmentModule
authz_policy	authz_file	path				tracopt.perm.authz_policy.AuthzPolicy
browser	color_scale	bool	enabled	+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	downloadable_paths	list	/trunk,/branches/*,/tags/*	+	,	trac.versioncontrol.web_ui.browser.BrowserModule
browser	hide_properties	list	svk:merge	+	,	trac.versioncontrol.web_ui.browser.BrowserModule
browser	intermediate_color	string		+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	intermediate_point	string		+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	newest_color	string	(255, 136, 136)	+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	oldest_color	string	(136, 136, 255)	+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	oneliner_properties	list	trac:summary	+	,	trac.versioncontrol.web_ui.browser.WikiPropertyRenderer
browser	render_unsafe_content	bool	disabled	+		trac.versioncontrol.web_ui.browser.BrowserModule
browser	wiki_properties	list	trac:description	+	,	trac.versioncontrol.web_ui.browser.WikiPropertyRenderer
changeset	max_diff_bytes	int	10000000	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
changeset	max_diff_files	int	0	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
changeset	wiki_format_messages	bool	enabled	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
components	*	section
extra-permissions	*	section
git	cached_repository	bool	disabled			tracopt.versioncontrol.git.git_fs.GitConnector
git	git_bin	string	git			tracopt.versioncontrol.git.git_fs.GitConnector
git	git_fs_encoding	string	utf-8			tracopt.versioncontrol.git.git_fs.GitConnector
git	persistent_cache	bool	disabled			tracopt.versioncontrol.git.git_fs.GitConnector
git	shortrev_len	int	7			tracopt.versioncontrol.git.git_fs.GitConnector
git	trac_user_rlookup	bool	disabled			tracopt.versioncontrol.git.git_fs.GitConnector
git	use_committer_id	bool	enabled			tracopt.versioncontrol.git.git_fs.GitConnector
git	use_committer_time	bool	enabled			tracopt.versioncontrol.git.git_fs.GitConnector
git	wikishortrev_len	int	40			tracopt.versioncontrol.git.git_fs.GitConnector
gitweb-repositories	projects_base	path				tracopt.versioncontrol.git.git_fs.GitwebProjectsRepositoryProvider
gitweb-repositories	projects_list	path				tracopt.versioncontrol.git.git_fs.GitwebProjectsRepositoryProvider
gitweb-repositories	projects_url	string				tracopt.versioncontrol.git.git_fs.GitwebProjectsRepositoryProvider
gitweb-repositories	sync_per_request	list			,	tracopt.versioncontrol.git.git_fs.GitwebProjectsRepositoryProvider
header_logo	alt	string	(please configure the [header_logo] section in trac.ini)	+		trac.web.chrome.Chrome
header_logo	height	int	-1	+		trac.web.chrome.Chrome
header_logo	link	string		+		trac.web.chrome.Chrome
header_logo	src	string	site/your_project_logo.png	+		trac.web.chrome.Chrome
header_logo	width	int	-1	+		trac.web.chrome.Chrome
http-headers	*	section
inherit	file	list			,	-trac.config.Configuration
inherit	htdocs_dir	path		+		trac.web.chrome.Chrome
inherit	plugins_dir	path		+		trac.env.Environment
inherit	templates_dir	path		+		trac.web.chrome.Chrome
intertrac	*	section
interwiki	*	section
logging	log_file	string	trac.log	+		trac.env.Environment
logging	log_format	string		+		trac.env.Environment
logging	log_level	choice	INFO	+	~ALL|CRITICAL|DEBUG|ERROR|INFO|WARN|WARNING	trac.env.Environment
logging	log_type	choice	file	+	~eventlog|file|none|nteventlog|stderr|syslog|unix|winlog	trac.env.Environment
mainnav	*	section
mainnav	<item>	bool	enabled			-trac.web.chrome.Chrome
mainnav	<item>.href	string				-trac.web.chrome.Chrome
mainnav	<item>.label	string				-trac.web.chrome.Chrome
mainnav	<item>.order	float	inf			-trac.web.chrome.Chrome
mainnav	<item>.permission	string				-trac.web.chrome.Chrome
mainnav	admin.order	float	inf	8.0		-trac.web.chrome.Chrome
mainnav	browser.order	float	inf	4.0		-trac.web.chrome.Chrome
mainnav	newticket.order	float	inf	6.0		-trac.web.chrome.Chrome
mainnav	roadmap.order	float	inf	3.0		-trac.web.chrome.Chrome
mainnav	search.order	float	inf	7.0		-trac.web.chrome.Chrome
mainnav	tickets.order	float	inf	5.0		-trac.web.chrome.Chrome
mainnav	timeline.order	float	inf	2.0		-trac.web.chrome.Chrome
mainnav	wiki.order	float	inf	1.0		-trac.web.chrome.Chrome
metanav	*	section
metanav	<item>	bool	enabled			-trac.web.chrome.Chrome
metanav	<item>.href	string				-trac.web.chrome.Chrome
metanav	<item>.label	string				-trac.web.chrome.Chrome
metanav	<item>.order	float	inf			-trac.web.chrome.Chrome
metanav	<item>.permission	string				-trac.web.chrome.Chrome
metanav	about.order	float	inf	5.0		-trac.web.chrome.Chrome
metanav	help.order	float	inf	4.0		-trac.web.chrome.Chrome
metanav	login.order	float	inf	1.0		-trac.web.chrome.Chrome
metanav	logout.order	float	inf	2.0		-trac.web.chrome.Chrome
metanav	logout.redirect	string				-trac.web.auth.LoginModule
metanav	prefs.order	float	inf	3.0		-trac.web.chrome.Chrome
milestone	default_group_by	string	component	+		trac.ticket.roadmap.MilestoneModule
milestone	default_retarget_to	string		+		trac.ticket.roadmap.MilestoneModule
milestone	stats_provider	component	DefaultTicketGroupStatsProvider	+	DefaultTicketGroupStatsProvider	trac.ticket.roadmap.MilestoneModule
milestone-groups	*	section
mimeviewer	max_preview_size	int	262144	+		trac.mimeview.api.Mimeview
mimeviewer	mime_map	list	text/x-dylan:dylan,text/x-idl:ice,text/x-ada:ads:adb	+	,
mimeviewer	mime_map_patterns	list	text/plain:README(?!\.rst)|INSTALL(?!\.rst)|COPYING.*	+	,
mimeviewer	pygments_default_style	string	trac	+		trac.mimeview.pygments.PygmentsRenderer
mimeviewer	pygments_modes	list		+	,	trac.mimeview.pygments.PygmentsRenderer
mimeviewer	tab_width	int	8	+		trac.mimeview.api.Mimeview
mimeviewer	treat_as_binary	list	application/octet-stream,application/pdf,application/postscript,application/msword,application/rtf	+	,	trac.mimeview.api.Mimeview
notification	admit_domains	list		+	,	trac.notification.api.NotificationSystem
notification	ambiguous_char_width	string	single	+		trac.ticket.notification.TicketFormatter
notification	batch_subject_template	string	${prefix} Batch modify: ${tickets_descr}	+		trac.ticket.notification.TicketFormatter
notification	default_format.email	string	text/plain	+		trac.notification.mail.EmailDistributor
notification	email_address_resolvers	component-list	SessionEmailResolver	+	SessionEmailResolver	trac.notification.mail.EmailDistributor
notification	email_sender	component	SmtpEmailSender	+	SendmailEmailSender|SmtpEmailSender	trac.notification.api.NotificationSystem
notification	ignore_domains	list		+	,	trac.notification.api.NotificationSystem
notification	message_id_hash	string	md5	+		trac.notification.api.NotificationSystem
notification	mime_encoding	string	none	+		trac.notification.api.NotificationSystem
notification	sendmail_path	string	sendmail	+		trac.notification.mail.SendmailEmailSender
notification	smtp_always_bcc	list		+	, 	trac.notification.api.NotificationSystem
notification	smtp_always_cc	list		+	, 	trac.notification.api.NotificationSystem
notification	smtp_default_domain	string		+		trac.notification.api.NotificationSystem
notification	smtp_enabled	bool	disabled	+		trac.notification.api.NotificationSystem
notification	smtp_from	string	trac@localhost	+		trac.notification.api.NotificationSystem
notification	smtp_from_author	bool	disabled	+		trac.notification.api.NotificationSystem
notification	smtp_from_name	string		+		trac.notification.api.NotificationSystem
notification	smtp_password	string		+		trac.notification.mail.SmtpEmailSender
notification	smtp_port	int	25	+		trac.notification.mail.SmtpEmailSender
notification	smtp_replyto	string	trac@localhost	+		trac.notification.api.NotificationSystem
notification	smtp_server	string	localhost	+		trac.notification.mail.SmtpEmailSender
notification	smtp_subject_prefix	string	__default__	+		trac.notification.api.NotificationSystem
notification	smtp_user	string		+		trac.notification.mail.SmtpEmailSender
notification	ticket_subject_template	string	${prefix} #${ticket.id}: ${summary}	+		trac.ticket.notification.TicketFormatter
notification	use_public_cc	bool	disabled	+		trac.notification.api.NotificationSystem
notification	use_short_addr	bool	disabled	+		trac.notification.api.NotificationSystem
notification	use_tls	bool	disabled	+		trac.notification.mail.SmtpEmailSender
notification-subscriber	*	section
project	admin	string		+		trac.env.Environment
project	admin_trac_url	string	.	+		trac.env.Environment
project	descr	string	My example project	+		trac.env.Environment
project	footer	string	Visit the Trac open source project at<br /><a href="https://trac.edgewall.org/">https://trac.edgewall.org/</a>	+		trac.env.Environment
project	icon	string	common/trac.ico	+		trac.env.Environment
project	name	string	My Project	+		trac.env.Environment
project	url	string		+		trac.env.Environment
pygments-lexer	*	section
query	default_anonymous_query	string	status!=closed&cc~=$USER	+		trac.ticket.query.QueryModule
query	default_query	string	status!=closed&owner=$USER	+		trac.ticket.query.QueryModule
query	items_per_page	int	100	+		trac.ticket.query.QueryModule
query	ticketlink_query	string	?status=!closed	+		trac.ticket.web_ui.TicketModule
report	items_per_page	int	100	+		trac.ticket.report.ReportModule
report	items_per_page_rss	int	0	+		trac.ticket.report.ReportModule
repositories	*	section
revisionlog	default_log_limit	int	100	+		trac.versioncontrol.web_ui.log.LogModule
revisionlog	graph_colors	list	#cc0,#0c0,#0cc,#00c,#c0c,#c00	+	,	trac.versioncontrol.web_ui.log.LogModule
roadmap	stats_provider	component	DefaultTicketGroupStatsProvider	+	DefaultTicketGroupStatsProvider	trac.ticket.roadmap.RoadmapModule
search	default_disabled_filters	list		+	,	trac.search.web_ui.SearchModule
search	min_query_length	int	3	+		trac.search.web_ui.SearchModule
sqlite	extensions	list		+	,	trac.db.sqlite_backend.SQLiteConnector
svn	authz_file	path		+		trac.versioncontrol.svn_authz.AuthzSourcePolicy
svn	authz_module_name	string		+		trac.versioncontrol.svn_authz.AuthzSourcePolicy
svn	branches	list	trunk,branches/*		,	tracopt.versioncontrol.svn.svn_fs.SubversionConnector
svn	eol_style	choice	native		CR|CRLF|LF|native	tracopt.versioncontrol.svn.svn_fs.SubversionConnector
svn	tags	list	tags/*		,	tracopt.versioncontrol.svn.svn_fs.SubversionConnector
svn:externals	*	section
ticket	allowed_empty_fields	list	milestone,version	+	,	trac.ticket.api.TicketSystem
ticket	commit_ticket_update_check_perms	bool	enabled			tracopt.ticket.commit_updater.CommitTicketUpdater
ticket	commit_ticket_update_commands.close	string	close closed closes fix fixed fixes			tracopt.ticket.commit_updater.CommitTicketUpdater
ticket	commit_ticket_update_commands.refs	string	addresses re references refs see			tracopt.ticket.commit_updater.CommitTicketUpdater
ticket	commit_ticket_update_envelope	string				tracopt.ticket.commit_updater.CommitTicketUpdater
ticket	commit_ticket_update_notify	bool	enabled			tracopt.ticket.commit_updater.CommitTicketUpdater
ticket	default_cc	string		+		trac.ticket.api.TicketSystem
ticket	default_component	string		+		trac.ticket.api.TicketSystem
ticket	default_description	string		+		trac.ticket.api.TicketSystem
ticket	default_keywords	string		+		trac.ticket.api.TicketSystem
ticket	default_milestone	string		+		trac.ticket.api.TicketSystem
ticket	default_owner	string	< default >	+		trac.ticket.api.TicketSystem
ticket	default_priority	string	major	+		trac.ticket.api.TicketSystem
ticket	default_resolution	string	fixed	+		trac.ticket.api.TicketSystem
ticket	default_severity	string		+		trac.ticket.api.TicketSystem
ticket	default_summary	string		+		trac.ticket.api.TicketSystem
ticket	default_type	string	defect	+		trac.ticket.api.TicketSystem
ticket	default_version	string		+		trac.ticket.api.TicketSystem
ticket	max_comment_size	int	262144	+		trac.ticket.api.TicketSystem
ticket	max_description_size	int	262144	+		trac.ticket.api.TicketSystem
ticket	max_summary_size	int	262144	+		trac.ticket.api.TicketSystem
ticket	preserve_newlines	string	default	+		trac.ticket.web_ui.TicketModule
ticket	restrict_owner	bool	disabled	+		trac.ticket.api.TicketSystem
ticket	workflow	component-list	ConfigurableTicketWorkflow	+	ConfigurableTicketWorkflow	trac.ticket.api.TicketSystem
ticket-custom	*	section
ticket-workflow	*	section
timeline	abbreviated_messages	bool	enabled	+		trac.timeline.web_ui.TimelineModule
timeline	changeset_collapse_events	bool	disabled	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
timeline	changeset_long_messages	bool	disabled	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
timeline	changeset_show_files	string	0	+		trac.versioncontrol.web_ui.changeset.ChangesetModule
timeline	default_daysback	int	30	+		trac.timeline.web_ui.TimelineModule
timeline	max_daysback	int	90	+		trac.timeline.web_ui.TimelineModule
timeline	newticket_formatter	string	oneliner	+		trac.ticket.web_ui.TicketModule
timeline	ticket_show_component	bool	disabled	+		trac.ticket.web_ui.TicketModule
timeline	ticket_show_details	bool	enabled	+		trac.ticket.web_ui.TicketModule
trac	anonymous_session_lifetime	int	90	+		trac.env.Environment
trac	auth_cookie_domain	string		+		trac.web.auth.LoginModule
trac	auth_cookie_lifetime	int	0	+		trac.web.auth.LoginModule
trac	auth_cookie_path	string		+		trac.web.auth.LoginModule
trac	auto_preview_timeout	float	2.0	+		trac.web.chrome.Chrome
trac	auto_reload	bool	disabled	+		trac.web.chrome.Chrome
trac	backup_dir	string	db	+		trac.db.api.DatabaseManager
trac	base_url	string		+		trac.env.Environment
trac	check_auth_ip	bool	disabled	+		trac.web.auth.LoginModule
trac	database	string	sqlite:db/trac.db	+		trac.db.api.DatabaseManager
trac	debug_sql	bool	disabled	+		trac.db.api.DatabaseManager
trac	default_charset	string	utf-8	+		trac.mimeview.api.Mimeview
trac	default_date_format	choice		+	|iso8601	trac.web.main.RequestDispatcher
trac	default_dateinfo_format	choice	relative	+	absolute|relative	trac.web.chrome.Chrome
trac	default_handler	component	WikiModule	+	AboutModule|AdminModule|AnyDiffModule|AttachmentModule|BatchModifyModule|BrowserModule|ChangesetModule|Chrome|InterTracDispatcher|LogModule|LoginModule|MilestoneModule|PreferencesModule|PygmentsRenderer|QueryModule|ReportModule|RoadmapModule|SearchModule|TicketDeleter|TicketModule|TimelineModule|WikiModule|WikiRenderer	trac.web.main.RequestDispatcher
trac	default_language	string		+		trac.web.main.RequestDispatcher
trac	default_timezone	string		+		trac.web.main.RequestDispatcher
trac	htdocs_location	string		+		trac.web.chrome.Chrome
trac	ignore_auth_case	bool	disabled	+		trac.web.auth.LoginModule
trac	jquery_location	string		+		trac.web.chrome.Chrome
trac	jquery_ui_location	string		+		trac.web.chrome.Chrome
trac	jquery_ui_theme_location	string		+		trac.web.chrome.Chrome
trac	mysqldump_path	string	mysqldump	+		trac.db.mysql_backend.MySQLConnector
trac	never_obfuscate_mailto	bool	disabled	+		trac.web.chrome.Chrome
trac	permission_policies	component-list	DefaultWikiPolicy,DefaultTicketPolicy,DefaultPermissionPolicy,LegacyAttachmentPolicy	+	AuthzPolicy|AuthzSourcePolicy|DefaultPermissionPolicy|DefaultTicketPolicy|DefaultWikiPolicy|LegacyAttachmentPolicy	trac.perm.PermissionSystem
trac	permission_store	component	DefaultPermissionStore	+	DefaultPermissionStore	trac.perm.PermissionSystem
trac	pg_dump_path	string	pg_dump	+		trac.db.postgres_backend.PostgreSQLConnector
trac	readonly	bool	disabled			-projhost
trac	readonly_max_age	int	3600			-projhost
trac	readonly_notice	string				-projhost
trac	request_filters	component-list		+	BatchModifyModule|RepositoryManager|TicketCloneButton|TicketDeleter|TimelineModule	trac.web.main.RequestDispatcher
trac	resizable_textareas	bool	enabled	+		trac.web.chrome.Chrome
trac	secure_cookies	bool	disabled	+		trac.env.Environment
trac	show_email_addresses	bool	disabled	+		trac.web.chrome.Chrome
trac	show_full_names	bool	enabled	+		trac.web.chrome.Chrome
trac	timeout	int	20	+		trac.db.api.DatabaseManager
trac	use_base_url_for_redirect	bool	disabled	+		trac.env.Environment
trac	use_chunked_encoding	bool	enabled	+		trac.web.chrome.Chrome
trac	use_xsendfile	bool	disabled	+		trac.web.main.RequestDispatcher
trac	wiki_toolbars	bool	enabled	+		trac.web.chrome.Chrome
trac	xsendfile_header	string	X-Sendfile	+		trac.web.main.RequestDispatcher
versioncontrol	allowed_repository_dir_prefixes	list		+	,	trac.versioncontrol.admin.RepositoryAdminPanel
versioncontrol	default_repository_type	string	svn	+		trac.versioncontrol.api.RepositoryManager
wiki	default_edit_area_height	int	20	+		trac.wiki.web_ui.WikiModule
wiki	ignore_missing_pages	bool	disabled	+		trac.wiki.api.WikiSystem
wiki	max_size	int	262144	+		trac.wiki.web_ui.WikiModule
wiki	render_unsafe_content	bool	disabled	+		trac.wiki.api.WikiSystem
wiki	safe_origins	list	data:	+	,	trac.wiki.api.WikiSystem
wiki	safe_schemes	list	cvs,file,ftp,git,irc,http,https,news,sftp,smb,ssh,svn,svn+ssh	+	,	trac.wiki.api.WikiSystem
wiki	split_page_names	bool	disabled	+		trac.wiki.api.WikiSystem
`
