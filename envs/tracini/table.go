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
const optionTable = `
attachment	max_size	int	262144	+		AttachmentModule
attachment	max_zip_size	int	2097152	+		AttachmentModule
attachment	render_unsafe_content	bool	disabled	+		AttachmentModule
authz_policy	authz_file	path				AuthzPolicy
browser	color_scale	bool	enabled	+		BrowserModule
browser	downloadable_paths	list	/trunk,/branches/*,/tags/*	+	,	BrowserModule
browser	hide_properties	list	svk:merge	+	,	BrowserModule
browser	intermediate_color	string		+		BrowserModule
browser	intermediate_point	string		+		BrowserModule
browser	newest_color	string	(255, 136, 136)	+		BrowserModule
browser	oldest_color	string	(136, 136, 255)	+		BrowserModule
browser	oneliner_properties	list	trac:summary	+	,	WikiPropertyRenderer
browser	render_unsafe_content	bool	disabled	+		BrowserModule
browser	wiki_properties	list	trac:description	+	,	WikiPropertyRenderer
changeset	max_diff_bytes	int	10000000	+		ChangesetModule
changeset	max_diff_files	int	0	+		ChangesetModule
changeset	wiki_format_messages	bool	enabled	+		ChangesetModule
components	*	section
extra-permissions	*	section
git	cached_repository	bool	disabled			GitConnector
git	git_bin	string	git			GitConnector
git	git_fs_encoding	string	utf-8			GitConnector
git	persistent_cache	bool	disabled			GitConnector
git	shortrev_len	int	7			GitConnector
git	trac_user_rlookup	bool	disabled			GitConnector
git	use_committer_id	bool	enabled			GitConnector
git	use_committer_time	bool	enabled			GitConnector
git	wikishortrev_len	int	40			GitConnector
gitweb-repositories	projects_base	path				GitwebProjectsRepositoryProvider
gitweb-repositories	projects_list	path				GitwebProjectsRepositoryProvider
gitweb-repositories	projects_url	string				GitwebProjectsRepositoryProvider
gitweb-repositories	sync_per_request	list			,	GitwebProjectsRepositoryProvider
header_logo	alt	string	(please configure the [header_logo] section in trac.ini)	+		Chrome
header_logo	height	int	-1	+		Chrome
header_logo	link	string		+		Chrome
header_logo	src	string	site/your_project_logo.png	+		Chrome
header_logo	width	int	-1	+		Chrome
http-headers	*	section
inherit	file	list			,	Configuration
inherit	htdocs_dir	path		+		Chrome
inherit	plugins_dir	path		+		Environment
inherit	templates_dir	path		+		Chrome
intertrac	*	section
interwiki	*	section
logging	log_file	string	trac.log	+		Environment
logging	log_format	string		+		Environment
logging	log_level	choice	INFO	+	~ALL|CRITICAL|DEBUG|ERROR|INFO|WARN|WARNING	Environment
logging	log_type	choice	file	+	~eventlog|file|none|nteventlog|stderr|syslog|unix|winlog	Environment
mainnav	*	section
mainnav	<item>	bool	enabled			Chrome
mainnav	<item>.href	string				Chrome
mainnav	<item>.label	string				Chrome
mainnav	<item>.permission	string				Chrome
mainnav	admin.order	float	inf	8.0		Chrome
mainnav	browser.order	float	inf	4.0		Chrome
mainnav	newticket.order	float	inf	6.0		Chrome
mainnav	roadmap.order	float	inf	3.0		Chrome
mainnav	search.order	float	inf	7.0		Chrome
mainnav	tickets.order	float	inf	5.0		Chrome
mainnav	timeline.order	float	inf	2.0		Chrome
mainnav	wiki.order	float	inf	1.0		Chrome
metanav	*	section
metanav	<item>	bool	enabled			Chrome
metanav	<item>.href	string				Chrome
metanav	<item>.label	string				Chrome
metanav	<item>.permission	string				Chrome
metanav	about.order	float	inf	5.0		Chrome
metanav	help.order	float	inf	4.0		Chrome
metanav	login.order	float	inf	1.0		Chrome
metanav	logout.order	float	inf	2.0		Chrome
metanav	logout.redirect	string				LoginModule
metanav	prefs.order	float	inf	3.0		Chrome
milestone	default_group_by	string	component	+		MilestoneModule
milestone	default_retarget_to	string		+		MilestoneModule
milestone	stats_provider	component	DefaultTicketGroupStatsProvider	+	DefaultTicketGroupStatsProvider	MilestoneModule
milestone-groups	*	section
mimeviewer	max_preview_size	int	262144	+		Mimeview
mimeviewer	mime_map	list	text/x-dylan:dylan,text/x-idl:ice,text/x-ada:ads:adb	+	,
mimeviewer	mime_map_patterns	list	text/plain:README(?!\.rst)|INSTALL(?!\.rst)|COPYING.*	+	,
mimeviewer	pygments_default_style	string	trac	+		PygmentsRenderer
mimeviewer	pygments_modes	list		+	,	PygmentsRenderer
mimeviewer	tab_width	int	8	+		Mimeview
mimeviewer	treat_as_binary	list	application/octet-stream,application/pdf,application/postscript,application/msword,application/rtf	+	,	Mimeview
notification	admit_domains	list		+	,	NotificationSystem
notification	ambiguous_char_width	string	single	+		TicketFormatter
notification	batch_subject_template	string	${prefix} Batch modify: ${tickets_descr}	+		TicketFormatter
notification	default_format.email	string	text/plain	+		EmailDistributor
notification	email_address_resolvers	component-list	SessionEmailResolver	+	SessionEmailResolver	EmailDistributor
notification	email_sender	component	SmtpEmailSender	+	SendmailEmailSender|SmtpEmailSender	NotificationSystem
notification	ignore_domains	list		+	,	NotificationSystem
notification	message_id_hash	string	md5	+		NotificationSystem
notification	mime_encoding	string	none	+		NotificationSystem
notification	sendmail_path	string	sendmail	+		SendmailEmailSender
notification	smtp_always_bcc	list		+	 ,	NotificationSystem
notification	smtp_always_cc	list		+	 ,	NotificationSystem
notification	smtp_default_domain	string		+		NotificationSystem
notification	smtp_enabled	bool	disabled	+		NotificationSystem
notification	smtp_from	string	trac@localhost	+		NotificationSystem
notification	smtp_from_author	bool	disabled	+		NotificationSystem
notification	smtp_from_name	string		+		NotificationSystem
notification	smtp_password	string		+		SmtpEmailSender
notification	smtp_port	int	25	+		SmtpEmailSender
notification	smtp_replyto	string	trac@localhost	+		NotificationSystem
notification	smtp_server	string	localhost	+		SmtpEmailSender
notification	smtp_subject_prefix	string	__default__	+		NotificationSystem
notification	smtp_user	string		+		SmtpEmailSender
notification	ticket_subject_template	string	${prefix} #${ticket.id}: ${summary}	+		TicketFormatter
notification	use_public_cc	bool	disabled	+		NotificationSystem
notification	use_short_addr	bool	disabled	+		NotificationSystem
notification	use_tls	bool	disabled	+		SmtpEmailSender
notification-subscriber	*	section
project	admin	string		+		Environment
project	admin_trac_url	string	.	+		Environment
project	descr	string	My example project	+		Environment
project	footer	string	Visit the Trac open source project at<br /><a href="https://trac.edgewall.org/">https://trac.edgewall.org/</a>	+		Environment
project	icon	string	common/trac.ico	+		Environment
project	name	string	My Project	+		Environment
project	url	string		+		Environment
pygments-lexer	*	section
query	default_anonymous_query	string	status!=closed&cc~=$USER	+		QueryModule
query	default_query	string	status!=closed&owner=$USER	+		QueryModule
query	items_per_page	int	100	+		QueryModule
query	ticketlink_query	string	?status=!closed	+		TicketModule
report	items_per_page	int	100	+		ReportModule
report	items_per_page_rss	int	0	+		ReportModule
repositories	*	section
revisionlog	default_log_limit	int	100	+		LogModule
revisionlog	graph_colors	list	#cc0,#0c0,#0cc,#00c,#c0c,#c00	+	,	LogModule
roadmap	stats_provider	component	DefaultTicketGroupStatsProvider	+	DefaultTicketGroupStatsProvider	RoadmapModule
search	default_disabled_filters	list		+	,	SearchModule
search	min_query_length	int	3	+		SearchModule
sqlite	extensions	list		+	,	SQLiteConnector
svn	authz_file	path		+		AuthzSourcePolicy
svn	authz_module_name	string		+		AuthzSourcePolicy
svn	branches	list	trunk,branches/*		,	SubversionConnector
svn	eol_style	choice	native		CR|CRLF|LF|native	SubversionConnector
svn	tags	list	tags/*		,	SubversionConnector
svn:externals	*	section
ticket	allowed_empty_fields	list	milestone,version	+	,	TicketSystem
ticket	commit_ticket_update_check_perms	bool	enabled			CommitTicketUpdater
ticket	commit_ticket_update_commands.close	string	close closed closes fix fixed fixes			CommitTicketUpdater
ticket	commit_ticket_update_commands.refs	string	addresses re references refs see			CommitTicketUpdater
ticket	commit_ticket_update_envelope	string				CommitTicketUpdater
ticket	commit_ticket_update_notify	bool	enabled			CommitTicketUpdater
ticket	default_cc	string		+		TicketSystem
ticket	default_component	string		+		TicketSystem
ticket	default_description	string		+		TicketSystem
ticket	default_keywords	string		+		TicketSystem
ticket	default_milestone	string		+		TicketSystem
ticket	default_owner	string	< default >	+		TicketSystem
ticket	default_priority	string	major	+		TicketSystem
ticket	default_resolution	string	fixed	+		TicketSystem
ticket	default_severity	string		+		TicketSystem
ticket	default_summary	string		+		TicketSystem
ticket	default_type	string	defect	+		TicketSystem
ticket	default_version	string		+		TicketSystem
ticket	max_comment_size	int	262144	+		TicketSystem
ticket	max_description_size	int	262144	+		TicketSystem
ticket	max_summary_size	int	262144	+		TicketSystem
ticket	preserve_newlines	string	default	+		TicketModule
ticket	restrict_owner	bool	disabled	+		TicketSystem
ticket	workflow	component-list	ConfigurableTicketWorkflow	+	ConfigurableTicketWorkflow	TicketSystem
ticket-custom	*	section
ticket-workflow	*	section
timeline	abbreviated_messages	bool	enabled	+		TimelineModule
timeline	changeset_collapse_events	bool	disabled	+		ChangesetModule
timeline	changeset_long_messages	bool	disabled	+		ChangesetModule
timeline	changeset_show_files	string	0	+		ChangesetModule
timeline	default_daysback	int	30	+		TimelineModule
timeline	max_daysback	int	90	+		TimelineModule
timeline	newticket_formatter	string	oneliner	+		TicketModule
timeline	ticket_show_component	bool	disabled	+		TicketModule
timeline	ticket_show_details	bool	enabled	+		TicketModule
trac	anonymous_session_lifetime	int	90	+		Environment
trac	auth_cookie_domain	string		+		LoginModule
trac	auth_cookie_lifetime	int	0	+		LoginModule
trac	auth_cookie_path	string		+		LoginModule
trac	auto_preview_timeout	float	2.0	+		Chrome
trac	auto_reload	bool	disabled	+		Chrome
trac	backup_dir	string	db	+		DatabaseManager
trac	base_url	string		+		Environment
trac	check_auth_ip	bool	disabled	+		LoginModule
trac	database	string	sqlite:db/trac.db	+		DatabaseManager
trac	debug_sql	bool	disabled	+		DatabaseManager
trac	default_charset	string	utf-8	+		Mimeview
trac	default_date_format	choice		+	|iso8601	RequestDispatcher
trac	default_dateinfo_format	choice	relative	+	absolute|relative	Chrome
trac	default_handler	component	WikiModule	+	AboutModule|AdminModule|AnyDiffModule|AttachmentModule|BatchModifyModule|BrowserModule|ChangesetModule|Chrome|InterTracDispatcher|LogModule|LoginModule|MilestoneModule|PreferencesModule|PygmentsRenderer|QueryModule|ReportModule|RoadmapModule|SearchModule|TicketDeleter|TicketModule|TimelineModule|WikiModule|WikiRenderer	RequestDispatcher
trac	default_language	string		+		RequestDispatcher
trac	default_timezone	string		+		RequestDispatcher
trac	htdocs_location	string		+		Chrome
trac	ignore_auth_case	bool	disabled	+		LoginModule
trac	jquery_location	string		+		Chrome
trac	jquery_ui_location	string		+		Chrome
trac	jquery_ui_theme_location	string		+		Chrome
trac	mysqldump_path	string	mysqldump	+		MySQLConnector
trac	never_obfuscate_mailto	bool	disabled	+		Chrome
trac	permission_policies	component-list	DefaultWikiPolicy,DefaultTicketPolicy,DefaultPermissionPolicy,LegacyAttachmentPolicy	+	AuthzPolicy|AuthzSourcePolicy|DefaultPermissionPolicy|DefaultTicketPolicy|DefaultWikiPolicy|LegacyAttachmentPolicy	PermissionSystem
trac	permission_store	component	DefaultPermissionStore	+	DefaultPermissionStore	PermissionSystem
trac	pg_dump_path	string	pg_dump	+		PostgreSQLConnector
trac	request_filters	component-list		+	BatchModifyModule|RepositoryManager|TicketCloneButton|TicketDeleter|TimelineModule	RequestDispatcher
trac	resizable_textareas	bool	enabled	+		Chrome
trac	secure_cookies	bool	disabled	+		Environment
trac	show_email_addresses	bool	disabled	+		Chrome
trac	show_full_names	bool	enabled	+		Chrome
trac	timeout	int	20	+		DatabaseManager
trac	use_base_url_for_redirect	bool	disabled	+		Environment
trac	use_chunked_encoding	bool	enabled	+		Chrome
trac	use_xsendfile	bool	disabled	+		RequestDispatcher
trac	wiki_toolbars	bool	enabled	+		Chrome
trac	xsendfile_header	string	X-Sendfile	+		RequestDispatcher
versioncontrol	allowed_repository_dir_prefixes	list		+	,	RepositoryAdminPanel
versioncontrol	default_repository_type	string	svn	+		RepositoryManager
wiki	default_edit_area_height	int	20	+		WikiModule
wiki	ignore_missing_pages	bool	disabled	+		WikiSystem
wiki	max_size	int	262144	+		WikiModule
wiki	render_unsafe_content	bool	disabled	+		WikiSystem
wiki	safe_origins	list	data:	+	,	WikiSystem
wiki	safe_schemes	list	cvs,file,ftp,git,irc,http,https,news,sftp,smb,ssh,svn,svn+ssh	+	,	WikiSystem
wiki	split_page_names	bool	disabled	+		WikiSystem
`
