package deploy

func nginxServers() []Server {
	return []Server{
		{Name: "nginx", Title: "nginx", Ways: []Way{
			{Name: "fastcgi", Title: "FastCGI", Protocol: "fcgi", Template: "nginx.conf.tmpl", Config: "nginx/fastcgi.conf"},
		}},
	}
}
